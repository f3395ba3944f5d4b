import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { compare, FILES, linesOf, listed, mutationOf, type Survivor, sourceOf } from './hunt.ts'

const FUNCTIONS = 'expiry:formatMoment'
const campaign = fileURLToPath(new URL('../../campaign/mutants.ts', import.meta.url))

it('a short campaign: every mutant of one function is noticed, or explained', async () => {
  // Vitest's own variables would tell the runner in the child that it is a worker of this one.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('VITEST')))
  const { stdout } = await promisify(execFile)(process.execPath, [campaign, FUNCTIONS], {
    env,
    timeout: 110_000,
  })
  expect(stdout).toMatch(/^expiry:\S+: [1-9]\d* of [1-9]\d* killed .*, 0 not in the list$/m)
}, 120_000)

describe('the list of survivors', () => {
  it('gives each a reason, and no more than once', () => {
    const list = listed()
    for (const { file, was, is, kind, reason } of list) {
      expect(FILES).toContain(file)
      expect(['equivalent', 'performance', 'text']).toContain(kind)
      expect(was).not.toBe(is)
      expect(reason).toMatch(/^[A-Z`].{10,}\.$/)
    }
    const keys = list.map(({ file, was, is }) => [file, was, is].join('\n'))
    expect(new Set(keys).size).toBe(keys.length)
  })

  it('names code that is there', () => {
    const flat = (text: string): string => text.replace(/\s+/g, '')
    for (const { file, was } of listed()) {
      for (const part of was.split('…')) expect(flat(sourceOf(file))).toContain(flat(part))
    }
  })
})

describe('a mutant', () => {
  const source = 'const a = 1\n  if (a > 0) {\n    b()\n  } else c()\n'

  it('is told by the line that it changes', () => {
    const location = { start: { line: 2, column: 7 }, end: { line: 2, column: 12 } }
    expect(mutationOf('commit', source, { location, replacement: 'true' })).toEqual({
      file: 'commit',
      was: 'if (a > 0) {',
      is: 'if (true) {',
    })
  })

  it('is told in one line when it is of several', () => {
    const location = { start: { line: 2, column: 14 }, end: { line: 4, column: 4 } }
    expect(mutationOf('commit', source, { location, replacement: '{}' })).toEqual({
      file: 'commit',
      was: 'if (a > 0) { b() } else c()',
      is: 'if (a > 0) {} else c()',
    })
  })

  it('is explained by the list, new, or in the list for nothing', () => {
    const known = (was: string): Survivor => ({
      file: 'expiry',
      was,
      is: '',
      kind: 'equivalent',
      reason: 'It is the same.',
    })
    const found = ['a', 'b'].map(was => ({ file: 'expiry' as const, was, is: '' }))
    expect(compare(found, [known('b'), known('c')])).toEqual({
      explained: [known('b')],
      unknown: [found[0]],
      stale: [known('c')],
    })
  })

  it('is looked for in the lines of a function or method', () => {
    const source = 'export function* one<T>(\n  a: T,\n) {\n}\nclass Two {\n  #three(): void {\n  }\n}'
    expect([linesOf(source, 'one'), linesOf(source, 'three')]).toEqual(['1-4', '6-7'])
    expect(() => linesOf(source, 'four')).toThrow(/four/)
  })
})
