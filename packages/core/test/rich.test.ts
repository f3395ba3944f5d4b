import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SessionDataError } from '../src/errors.ts'
import { rich } from '../src/rich.ts'

const codec = rich()
const encode = (data: Record<string, unknown>) => codec.encode(data) as string
const decode = (text: string) => codec.decode(text) as Record<string, unknown>
const again = (data: Record<string, unknown>) => decode(encode(data))

test('Date, Map, Set, BigInt, undefined and every number come back', () => {
  const data = {
    at: new Date(1_700_000_000_123),
    never: new Date(Number.NaN),
    map: new Map<unknown, unknown>([
      ['a', 1],
      [{ b: 2 }, new Set([1n, undefined])],
    ]),
    set: new Set(['x', 'x', null]),
    big: 2n ** 70n,
    nothing: undefined,
    numbers: [Number.NaN, -0, 0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e21],
    bytes: new Uint8Array([1, 2, 255]),
    buffer: new Uint8Array([7]).buffer,
    floats: new Float64Array([1.5]),
    empty: {},
    text: '</script> \u2028 😀 \ud800',
  }
  const back = again(data)
  expect(back).toStrictEqual(data)
  expect(Object.hasOwn(back, 'nothing')).toBe(true)
})

test('holes, cycles and two references to one object come back', () => {
  // biome-ignore lint/suspicious/noSparseArray: the hole is the point
  const holes = [1, , 3]
  const far: number[] = []
  far[1_000_000] = 1
  const shared = { n: 1 }
  const ring: Record<string, unknown> = { shared }
  ring['me'] = ring
  const back = again({ holes, far, ring, shared }) as {
    holes: number[]
    far: number[]
    ring: typeof ring
    shared: object
  }
  expect(1 in back.holes).toBe(false)
  expect(back.far).toHaveLength(1_000_001)
  expect(back.ring['me']).toBe(back.ring)
  expect(back.ring['shared']).toBe(back.shared)
})

test('plain data of any sort [F32]', () => {
  const value = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withSparseArray: true,
    withTypedArray: true,
    withNullPrototype: true,
    key: fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('__proto__', 'constructor', 'toString')),
  })
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: 'binary' }), value), data => {
      // Not toStrictEqual, which takes a property named `constructor` for one.
      assert.deepStrictEqual(again({ ...data }), { ...data })
    }),
    { numRuns: 300 },
  )
})

describe('what would come back as something else is an error that names the path [F15]', () => {
  class Cart {}
  class Bag extends Map {}
  const cases: [what: string, data: Record<string, unknown>, path: string][] = [
    ['a function', { user: { greet: () => 1 } }, 'user.greet'],
    ['a symbol', { list: [Symbol('x')] }, 'list[0]'],
    ['a symbol key', { a: { [Symbol('x')]: 1 } }, 'a'],
    ['a class', { carts: [new Cart()] }, 'carts[0]'],
    ['a class in a Map', { m: new Map([['cart', new Cart()]]) }, 'm.cart'],
    ['a class as key of a Map', { m: new Map([[new Cart(), 1]]) }, 'm.keys()'],
    ['a class under an object as key', { m: new Map([[{}, new Cart()]]) }, 'm.values()'],
    ['a class in a Set', { s: new Set([new Cart()]) }, 's.values()'],
    ['a subclass of Map', { bag: new Bag() }, 'bag'],
    ['a Map with a name of its own', { m: Object.assign(new Map(), { extra: 1 }) }, 'm'],
    ['a named property of an array', { list: Object.assign([1], { total: 1 }) }, 'list'],
    ['a regular expression, which has a state', { re: /x/g }, 're'],
    ['a Buffer, which shows memory of others', { b: Buffer.from('abc') }, 'b'],
    ['part of a buffer', { b: new Uint8Array(8).subarray(1, 2) }, 'b'],
    ['shared memory', { b: new Uint8Array(new SharedArrayBuffer(2)) }, 'b'],
    ['a promise', { p: Promise.resolve(1) }, 'p'],
    ['an error', { e: new Error('x') }, 'e'],
  ]
  test.each(cases)('%s', (_, data, path) => {
    expect(() => encode(data)).toThrow(SessionDataError)
    expect(() => encode(data)).toThrow(`Cannot store ${path}: `)
  })

  test('too many levels', () => {
    let value: unknown = 1
    for (let level = 0; level < 2000; level++) value = [value]
    expect(() => encode({ value })).toThrow('over 1000 levels')
  })
})

test('an own __proto__ is plain data, on every level [A35]', () => {
  const data = JSON.parse('{"__proto__":{"isAdmin":true},"a":[{"__proto__":{"b":1},"c":2}],"constructor":1}')
  const back = again(data)
  expect(JSON.stringify(back)).toBe(JSON.stringify(data))
  expect(Object.keys(back)).toContain('__proto__')
  expect((back as { isAdmin?: unknown }).isAdmin).toBeUndefined()
  expect(({} as { isAdmin?: unknown }).isAdmin).toBeUndefined()
})

describe('decoding makes data and runs nothing [A40, C21]', () => {
  test.each([
    '',
    'x',
    '{}',
    '[]',
    '5',
    '-1',
    '[[1],2]',
    '["x"]',
    '[["Map"]]',
    '[["Date","2020-01-01T00:00:00.000Z"]]',
    '[["Function","globalThis.pwned = 1"]]',
    '[{"a":1},["constructor",2],"globalThis.pwned = 1"]',
    '[{"__proto__":1},{"isAdmin":2},true]',
    '[{"a":1},["Entries",1]]',
    '[{"a":99}]',
    '[{"a":1},["Uint8Array",2],"x"]',
    '[[-7,4294967295,0,1]]',
  ])('%s [C21]', payload => {
    expect(() => decode(payload)).toThrow(SessionDataError)
    expect((globalThis as { pwned?: unknown }).pwned).toBeUndefined()
    expect(({} as { isAdmin?: unknown }).isAdmin).toBeUndefined()
  })

  test('an error holds nothing of the data [A8]', () => {
    try {
      encode({ a: { password: 'hunter2', run: () => 1 } })
      expect.unreachable()
    } catch (error) {
      expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('hunter2')
    }
  })
})

test('stringify and parse compare and copy one value', () => {
  const value = new Map([['a', [1n]]])
  const text = codec.stringify?.(value) as string
  expect(codec.parse?.(text)).toStrictEqual(value)
  expect(codec.stringify?.(new Map([['a', [2n]]]))).not.toBe(text)
  expect(codec.sync).toBe(true)
})
