import { expect, it } from 'vitest'
import { importing } from './declarations.ts'

const made = [
  "import type { Store } from './store.ts'",
  "export { type Session } from '../session.ts';",
  "export declare function open(): import('./slot.ts').Slot",
  'import "./augmented.ts"',
  "import type { H3 } from 'h3/dist/x.ts'",
].join('\n')

it('names what is beside a declaration by the extension of its format', () => {
  expect(importing(made, 'cjs').split('\n')).toEqual([
    "import type { Store } from './store.cjs'",
    "export { type Session } from '../session.cjs';",
    "export declare function open(): import('./slot.cjs').Slot",
    'import "./augmented.cjs"',
    "import type { H3 } from 'h3/dist/x.ts'",
  ])
  expect(importing(made, 'js')).toContain("import('./slot.js').Slot")
})
