import { describeAdapter } from '@sess/conformance/vitest'
import { describeOverStores } from '@sess/test-fixtures/adapter-stores.ts'
import { start } from './probe.ts'

await describeOverStores(describeAdapter, '@sess/hono', start, ['https', 'before', 'twice', 'under'])
