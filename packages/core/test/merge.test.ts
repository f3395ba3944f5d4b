import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Changes } from '../src/changes.ts'
import { ABSENT, type Data, merge } from '../src/merge.ts'

/** Text by which values are the same whatever the order of their keys. */
const sorted = (value: unknown): string =>
  JSON.stringify(value, (_, item) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  )
const three = (base: unknown, mine: unknown, theirs: unknown) => merge(base, mine, theirs, JSON.stringify)

const texts = {
  stringify: JSON.stringify,
  parse: (text: string): unknown => JSON.parse(text),
  trackMutations: true,
}

describe('three-way merge of one value', () => {
  it.each<[string, unknown, unknown, unknown, unknown, boolean]>([
    ['only mine changed', 1, 2, 1, 2, false],
    ['only theirs changed', 1, 1, 2, 2, false],
    ['both to the same', 1, 2, 2, 2, false],
    ['both, differently', 1, 2, 3, 2, true],
    ['both added, differently', ABSENT, 2, 3, 2, true],
    ['removed here, changed there', 1, ABSENT, 2, ABSENT, true],
    ['removed there, changed here', 1, 2, ABSENT, 2, true],
    ['removed by both', 1, ABSENT, ABSENT, ABSENT, false],
    ['removed here, untouched there', { a: 1 }, ABSENT, { a: 1 }, ABSENT, false],
    ['null is a value', null, 1, null, 1, false],
    ['different keys of an object', { a: 1, b: 1 }, { a: 2, b: 1 }, { a: 1, b: 3 }, { a: 2, b: 3 }, false],
    ['one key of an object', { a: 1, b: 1 }, { a: 2, b: 5 }, { a: 3, b: 1 }, { a: 2, b: 5 }, true],
    ['keys removed on both sides', { a: 1, b: 1, c: 1 }, { b: 1, c: 1 }, { a: 1, c: 1 }, { c: 1 }, false],
    [
      'objects deep inside',
      { a: { b: { c: 1 } } },
      { a: { b: { c: 1, d: 2 } } },
      { a: { b: { c: 1, e: 3 } } },
      { a: { b: { c: 1, e: 3, d: 2 } } },
      false,
    ],
    ['two new objects', ABSENT, { a: 1 }, { b: 2 }, { b: 2, a: 1 }, false],
    ['appended by both', [1], [1, 2], [1, 3], [1, 3, 2], false],
    ['two new arrays', ABSENT, ['a'], ['b'], ['b', 'a'], false],
    ['the same appended by both: two pushes', [], ['a'], ['a'], ['a', 'a'], false],
    ['two equal new arrays', ABSENT, ['a'], ['a'], ['a'], false],
    ['appended here, shortened there', [1, 2], [1, 2, 3], [1], [1, 2, 3], true],
    ['changed inside on both sides', [{ n: 1 }], [{ n: 2 }], [{ n: 3 }], [{ n: 2 }], true],
    ['an array against an object', [1], [1, 2], { a: 1 }, [1, 2], true],
    ['an object that was text', 'x', { a: 1 }, { b: 1 }, { a: 1 }, true],
    ['a new class of value', { a: 1 }, 5, { a: 2 }, 5, true],
  ])('%s', (_, base, mine, theirs, value, clash) => {
    expect(three(base, mine, theirs)).toEqual({ value, clash })
  })

  it('__proto__ is a key like any other [A35]', () => {
    const odd = (n: number): Data => JSON.parse(`{"__proto__": {"n": ${n}}, "k${n}": 1}`)
    const { value } = three(JSON.parse('{}'), odd(1), odd(1))
    expect(Object.keys(value as object)).toContain('__proto__')
    const merged = three(ABSENT, odd(1), odd(2)).value as Data
    expect(Object.keys(merged).sort()).toEqual(['__proto__', 'k1', 'k2'])
    expect(Object.getPrototypeOf(merged)).toBe(Object.prototype)
    expect(({} as Data)['n']).toBeUndefined()
  })

  it('objects without a prototype merge too, instances of classes do not', () => {
    const bare = (entries: Data): Data => Object.assign(Object.create(null), entries)
    expect(three(bare({}), bare({ a: 1 }), bare({ b: 1 }))).toEqual({ value: { b: 1, a: 1 }, clash: false })
    expect(three(ABSENT, new Map([[1, 1]]), { a: 1 }).clash).toBe(true)
  })

  it('what one side left alone is what the other made of it; without overlap nothing clashes', () => {
    const json = fc.jsonValue({ maxDepth: 3 })
    fc.assert(
      fc.property(json, json, (base, changed) => {
        expect(three(base, changed, base).clash).toBe(false)
        expect(sorted(three(base, changed, base).value)).toBe(sorted(changed))
        expect(sorted(three(base, base, changed).value)).toBe(sorted(changed))
      }),
    )
    fc.assert(
      fc.property(fc.array(json), fc.array(json), fc.array(json), (base, mine, theirs) => {
        const { value, clash } = three(base, [...base, ...mine], [...base, ...theirs])
        expect(clash).toBe(false)
        const both =
          mine.length === 0
            ? [...base, ...theirs]
            : theirs.length === 0
              ? [...base, ...mine]
              : [...base, ...theirs, ...mine]
        expect(JSON.stringify(value)).toBe(JSON.stringify(both))
      }),
    )
  })
})

describe('the log of one request', () => {
  const changes = (data: Data): Changes => new Changes(structuredClone(data), JSON.stringify(data), texts)
  const rebased = (base: Data, act: (changes: Changes) => void, fresh: Data): Data => {
    const log = changes(base)
    act(log)
    log.recordMutations(false)
    log.rebase(fresh, (_, { mine }) => mine)
    return log.data
  }

  it('a default stands back for what others set, and is there where they did not', () => {
    expect(rebased({}, log => log.default('a', 1), { a: 2 })).toEqual({ a: 2 })
    expect(rebased({}, log => log.default('a', 1), { b: 2 })).toEqual({ b: 2, a: 1 })
    expect(
      rebased(
        { a: 0 },
        log => {
          log.delete('a')
          log.default('a', 1)
        },
        { a: 0 },
      ),
    ).toEqual({ a: 1 })
  })

  it('updates run in their order, on the default where it is needed', () => {
    const add = (n: number) => (list: unknown) => [...((list as number[]) ?? []), n]
    const act = (log: Changes): void => {
      log.default('list', [0])
      log.update('list', add(1))
      log.update('list', add(2))
    }
    expect(rebased({}, act, {})).toEqual({ list: [0, 1, 2] })
    expect(rebased({}, act, { list: [9] })).toEqual({ list: [9, 1, 2] })
    expect(rebased({}, log => log.update('list', add(1)), {})).toEqual({ list: [1] })
  })

  it('after a set or a delete an update no longer depends on others', () => {
    expect(
      rebased(
        { n: 1 },
        log => {
          log.set('n', 5)
          log.update('n', n => (n as number) + 1)
        },
        { n: 1 },
      ),
    ).toEqual({ n: 6 })
    expect(
      rebased(
        { n: 1 },
        log => {
          log.delete('n')
          log.update('n', n => n ?? 'none')
        },
        { n: 1, m: 2 },
      ),
    ).toEqual({ m: 2, n: 'none' })
  })

  it('an update that returns undefined removes the key', () => {
    const take = (log: Changes): void => log.update('a', () => undefined)
    expect(rebased({ a: 1 }, take, { a: 2, b: 1 })).toEqual({ b: 1 })
    expect(rebased({}, take, {})).toEqual({})
  })

  it('clear removes what others added, then what came after it is there', () => {
    expect(
      rebased(
        { a: 1 },
        log => {
          log.clear()
          log.set('b', 2)
          log.delete('a')
        },
        { a: 1, c: 3 },
      ),
    ).toEqual({ b: 2 })
  })

  it('a held value that is gone again, or was never there, is no mutation', () => {
    const log = changes({ list: [1] })
    log.trackReference('list', log.data['list'])
    log.trackReference('n', 5)
    log.delete('list')
    log.saved('{}')
    expect(log.recordMutations(false)).toBe(false)
    expect(log.recordMutations(true)).toBe(false)
  })

  it('a payload that could not be read counts as nothing', () => {
    const log = new Changes({}, 'no JSON', texts)
    log.set('list', ['a'])
    log.trackReference('list', log.data['list'])
    log.update('list', list => [...(list as string[]), 'b'])
    log.rebase({}, () => undefined)
    expect(log.data).toEqual({ list: ['a', 'b'] })
    expect(log.recordMutations(true)).toBe(true)
  })

  it('a clash may be decided by removing the key', () => {
    const log = changes({ a: 1 })
    log.set('a', 2)
    log.rebase({ a: 3, b: 1 }, () => undefined)
    expect(log.data).toEqual({ b: 1 })
  })

  it('bookkeeping is never merged nor asked about', () => {
    let asked = 0
    const log = changes({ _session_expiry: 1 })
    log.set('_session_expiry', 2)
    log.rebase({ _session_expiry: 3 }, () => asked++)
    expect([log.data, asked]).toEqual([{ _session_expiry: 2 }, 0])
  })
})

describe('changes after a save that had merged and then failed', () => {
  const list = (data: Data) => data['list'] as string[]
  it.each<[string, (log: Changes) => void]>([
    ['update', log => log.update('list', value => [...(value as string[]), 'u'])],
    ['set', log => log.set('list', [...list(log.data), 'u'])],
    [
      'a mutation',
      log => {
        log.trackReference('list', log.data['list'])
        list(log.data).push('u')
        log.recordMutations(false)
      },
    ],
  ])('%s: what others added is there once, and so is this', (_, change) => {
    for (const [before, merged] of [
      [(log: Changes) => log.set('list', ['a']), ['t', 'a', 'u']],
      [(log: Changes) => log.set('other', 1), ['t', 'u']],
    ] as const) {
      const log = new Changes({ list: [] }, '{"list":[]}', texts)
      before(log)
      const saved = { list: ['t'] }
      log.rebase(structuredClone(saved), () => expect.unreachable('no clash'))
      change(log)
      log.rebase(structuredClone(saved), () => expect.unreachable('no clash'))
      expect(log.data['list']).toEqual(merged)
    }
  })
})
