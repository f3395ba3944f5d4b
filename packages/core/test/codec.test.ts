import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { json } from '../src/codec.ts'
import { SessionDataError } from '../src/errors.ts'

const codec = json()
const encode = (data: Record<string, unknown>) => codec.encode(data) as string
const decode = (text: string) => codec.decode(text) as Record<string, unknown>

class Cart {
  items = []
}
const cycle: Record<string, unknown> = {}
cycle['self'] = { back: cycle }
const withSymbol = { a: 1, [Symbol('hidden')]: 2 }
const named = Object.assign([1, 2], { total: 3 })
const deep = (levels: number) => {
  let value: unknown = 1
  for (let level = 0; level < levels; level++) value = [value]
  return value
}

describe('what JSON cannot hold is an error that names the path [F15]', () => {
  const cases: [what: string, data: Record<string, unknown>, path: string][] = [
    ['a function', { onClick: () => 1 }, 'onClick'],
    ['a method', { user: { name: 'x', greet: () => 1 } }, 'user.greet'],
    ['a symbol', { s: Symbol('x') }, 's'],
    ['a symbol key', { user: withSymbol }, 'user'],
    ['a BigInt', { cart: [{ price: 1n }] }, 'cart[0].price'],
    ['undefined in a property', { user: { nick: undefined } }, 'user.nick'],
    ['undefined at the top', { nick: undefined }, 'nick'],
    ['undefined in an array', { list: [1, undefined] }, 'list[1]'],
    // biome-ignore lint/suspicious/noSparseArray: the hole is the point
    ['a hole', { list: [1, , 3] }, 'list[1]'],
    ['a named property of an array', { list: named }, 'list'],
    ['the result of a match', { found: 'abc'.match(/b/) }, 'found'],
    ['NaN', { n: [Number.NaN] }, 'n[0]'],
    ['Infinity', { n: { max: Number.POSITIVE_INFINITY } }, 'n.max'],
    ['a Date', { at: new Date() }, 'at'],
    ['a Map', { m: new Map() }, 'm'],
    ['a Set', { deep: { s: new Set() } }, 'deep.s'],
    ['a class', { cart: new Cart() }, 'cart'],
    ['toJSON', { odd: { toJSON: () => 1 } }, 'odd.toJSON'],
    ['a typed array', { bytes: new Uint8Array(2) }, 'bytes'],
    ['a Buffer', { bytes: Buffer.from('x') }, 'bytes'],
    ['a boxed number', { n: Object(1) }, 'n'],
    ['an error', { e: new Error('x') }, 'e'],
    ['a promise', { p: Promise.resolve(1) }, 'p'],
    ['an inherited value', { o: Object.create({ a: 1 }) }, 'o'],
    ['a subclass of Array', { list: new (class extends Array {})() }, 'list'],
  ]
  test.each(cases)('%s', (_, data, path) => {
    expect(() => codec.encode(data)).toThrow(SessionDataError)
    expect(() => codec.encode(data)).toThrow(`Cannot store ${path}: `)
  })

  test('a cycle, and too many levels', () => {
    expect(() => encode({ cycle })).toThrow(/^Cannot store cycle\.self\.back\.self.*: it refers to itself/)
    expect(() => encode({ a: deep(1100) })).toThrow('over 1000 levels')
    expect(decode(encode({ a: deep(990) }))).toEqual({ a: deep(990) })
  })

  test('neither the value nor control characters of a name are in the message [A8]', () => {
    const message = (data: Record<string, unknown>) => {
      try {
        codec.encode(data)
      } catch (error) {
        return (error as Error).message
      }
      return ''
    }
    expect(message({ list: new Set(['hunter2']) })).not.toContain('hunter2')
    expect(message({ 'a\nb': { '\u001b[31m': () => 'hunter2' } })).toContain('["a\\nb"]["\\u001b[31m"]:')
    expect(message({ [`${'k'.repeat(70_000)}`]: 1n }).length).toBeLessThan(300)
  })
})

describe('what it holds comes back exactly', () => {
  test('plain data of any sort [F32]', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ depthSize: 'medium' })),
        data => {
          expect(decode(encode(data))).toStrictEqual({ ...data })
        },
      ),
      { numRuns: 500 },
    )
  })

  test('-0, which JSON.stringify would make 0', () => {
    const data = { a: -0, b: [0, -0, { c: -0, 'd"': 'x' }], e: null, f: true }
    expect(encode(data)).toBe('{"a":-0,"b":[0,-0,{"c":-0,"d\\"":"x"}],"e":null,"f":true}')
    expect(decode(encode(data))).toStrictEqual(data)
  })

  test('lone surrogates, as ASCII', () => {
    const data = { '\ud800': '\udfff x 😀' }
    expect(encode(data).isWellFormed()).toBe(true)
    expect(decode(encode(data))).toStrictEqual(data)
  })

  test('an object without a prototype, and one of another realm', async () => {
    const { runInNewContext } = await import('node:vm')
    const bare = Object.assign(Object.create(null), { a: 1 })
    expect(encode({ bare, foreign: runInNewContext('({ b: [1] })') })).toBe(
      '{"bare":{"a":1},"foreign":{"b":[1]}}',
    )
  })

  test('__proto__, constructor and method names are plain data [A35]', () => {
    const text =
      '{"__proto__":{"isAdmin":true},"constructor":1,"toString":{"__proto__":{"x":1}},"hasOwnProperty":2}'
    const data = decode(text)
    expect(Object.keys(data)).toEqual(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])
    expect(encode(data)).toBe(text)
    expect((data as { isAdmin?: unknown }).isAdmin).toBeUndefined()
    expect(({} as { isAdmin?: unknown }).isAdmin).toBeUndefined()
    expect(Object.getPrototypeOf(data)).toBe(Object.prototype)
  })
})

describe('a payload that is no JSON object is an error without its text [F14, A8]', () => {
  test.each([
    '',
    ' ',
    'null',
    'true',
    '5',
    '"secret text"',
    '["secret text"]',
    '{"secret text"',
    '{"a":1}x',
    '\0',
    'NaN',
  ])('%j', payload => {
    expect(() => decode(payload)).toThrow(SessionDataError)
    try {
      decode(payload)
    } catch (error) {
      expect((error as Error).message).not.toContain('secret text')
      expect((error as Error).cause).toBeUndefined()
    }
  })
})

test('encode and decode answer at once', () => {
  expect(codec.sync).toBe(true)
})
