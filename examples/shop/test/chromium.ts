export { launchChromium, requireChromium } from '@sess/test-fixtures/chromium.ts'
