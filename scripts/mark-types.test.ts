import { describe, expect, it } from 'vitest'
import { markTypes } from './mark-types.ts'

describe('markTypes', () => {
  it('marks what the JavaScript does not export, and nothing else', () => {
    const declarations = [
      "import { S as Session } from './chunk.js'",
      "export { E as Error } from './chunk.js'",
      'declare class Engine {}',
      'declare function create(): Engine',
      'export { Engine, Session, create, type Given }',
      'export type { Other }',
    ].join('\n')
    const marked = markTypes(declarations, 'const a = 1, b = 2\nexport { a as create, b as Error }')
    expect(marked).toContain('export { type Engine, type Session, create, type Given }')
    expect(marked).toContain("export { E as Error } from './chunk.js'")
    expect(marked).toContain('export type { Other }')
  })

  it('keeps the name that is exported, not the one inside', () => {
    expect(markTypes("export { a as T } from './c.js'", 'export { a }')).toBe(
      "export { type a as T } from './c.js'",
    )
    expect(markTypes('export { T as a }', 'export { x as a }')).toBe('export { T as a }')
  })

  it('fails on a form of export it cannot judge', () => {
    expect(() => markTypes("export * from './c.js'", '')).toThrow('without names')
    expect(() => markTypes('export declare const a: 1', '')).toThrow('outside of a list')
  })
})
