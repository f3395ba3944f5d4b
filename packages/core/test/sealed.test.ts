import { memoryStore } from '@sess/conformance'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Codec, type CorruptEvent, json } from '../src/index.ts'
import { rich } from '../src/rich.ts'
import { type SealedOptions, sealed } from '../src/sealed.ts'
import { bench, codeOf, START, slow } from './support.ts'

const SECRETS = [
  'one-secret-of-the-session-payloads-0123',
  'another-secret-of-the-payloads-45678901',
] as const
const codec = sealed(json(), { secret: SECRETS[0] })

/** The payloads that a store has. */
async function payloads(store: ReturnType<typeof memoryStore>): Promise<string[]> {
  const all: string[] = []
  for await (const { payload } of store.scan!({ now: START })) all.push(payload)
  return all
}

describe('what the store sees', () => {
  it('is no data, and not the same for the same data', async () => {
    const store = memoryStore()
    for (let n = 0; n < 2; n++) {
      await bench({ store, codec }).request(session => session.set('card', 'sensitive-value'))
    }
    const [one, other] = await payloads(store)
    expect(one).toMatch(/^[\w-]{60,}$/)
    expect(`${one}${atob(one!.replace(/-/g, '+').replace(/_/g, '/'))}`).not.toContain('sensitive')
    expect(other).not.toBe(one)
    expect(other).toHaveLength(one!.length)
    // Format and key id are the same in all payloads, and nothing after them is.
    const common = [...one!].findIndex((character, at) => character !== other![at])
    expect(common).toBeLessThan(9)
  })

  it('gives any JSON back, and what rich() holds', async () => {
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })), async data => {
        const expected = JSON.parse(JSON.stringify(data))
        expect(JSON.parse(JSON.stringify(await codec.decode(await codec.encode(data))))).toEqual(expected)
      }),
      { numRuns: 50 },
    )
    const app = bench({ codec: sealed(rich(), { secret: SECRETS }) })
    await app.request(session => session.set('at', new Map([['now', new Date(5)]])))
    expect(await app.peek('at')).toEqual(new Map([['now', new Date(5)]]))
  })
})

it.each([
  ['at once', memoryStore()],
  ['later', slow(memoryStore())],
])('keeps overlapping changes, mutations and updates over a store that returns %s', async (_, store) => {
  for (const each of [codec, { ...codec, sync: undefined } as unknown as Codec]) {
    const app = bench({ store, codec: each })
    await app.request(session => session.update({ cart: ['a'], n: 1, user: { name: 'ada' } }))
    const overlapping = app.request(async session => {
      session.get('cart').push('mine')
      session.update('n', (n: number) => n + 1)
      await app.request(other => {
        other.get('cart').push('theirs')
        other.update('n', (n: number) => n + 1)
        other.set('other', true)
      })
    })
    await overlapping
    const session = app.sessions.open(app.cookie)
    await session.load()
    expect(session.toJSON()).toEqual({
      cart: ['a', 'theirs', 'mine'],
      n: 3,
      user: { name: 'ada' },
      other: true,
    })
  }
})

it('writes nothing for a request that holds an object and leaves it as it was', async () => {
  const app = bench({ codec })
  await app.request(session => session.set('cart', ['a']))
  app.calls.length = 0
  await app.request(session => session.get('cart').concat('b'))
  expect(app.calls).toEqual(['read'])
})

it('decodes nothing for a request that does not use its session', async () => {
  let decoded = 0
  const decode: Codec['decode'] = payload => {
    decoded++
    return codec.decode(payload)
  }
  const counting: Codec = { ...codec, decode }
  const app = bench({ codec: counting })
  await app.request(session => session.set('a', 1))
  await app.request()
  expect(decoded).toBe(0)
  await app.request(session => session.get('a'))
  expect(decoded).toBe(1)
})

it('rotates keys and ends sessions as any codec does', async () => {
  const app = bench({ codec, reuse: 'report' })
  await app.request(session => {
    session.cycleKey()
    session.subject = 'ada'
    session.set('a', 1)
  })
  const old = app.cookie
  await app.request(session => session.cycleKey())
  expect([await app.peek('a'), await app.peek('a', old)]).toEqual([1, undefined])
  expect((await app.sessions.list('ada')).map(({ data }) => data)).toEqual([{ a: 1 }])
  await app.request(session => session.flush())
  expect(await app.sessions.list('ada')).toEqual([])
})

describe('secrets', () => {
  it('the first one seals and all unseal; one that is not in the list any more is a corrupt session', async () => {
    const store = memoryStore()
    const events: CorruptEvent[] = []
    const at = (...secret: string[]) =>
      bench({
        store,
        codec: sealed(json(), { secret }),
        hooks: { corrupt: event => void events.push(event) },
      })
    const old = at(SECRETS[1])
    await old.request(session => session.set('a', 1))
    const both = at(...SECRETS)
    expect(await both.peek('a', old.cookie)).toBe(1)
    expect(await at(SECRETS[0]).peek('a', old.cookie)).toBeUndefined()
    expect(events.map(({ reason }) => reason)).toEqual(['payload'])
    expect(JSON.stringify(events)).not.toContain(SECRETS[0])
    await both.request(session => session.set('b', 2), { cookie: old.cookie })
    expect(await at(SECRETS[0]).peek('a', old.cookie)).toBe(1)
  })

  it('a token of another use of the same secret is no payload', async () => {
    const { seal } = await import('../src/crypto.ts')
    const token = await seal('{}', { secrets: SECRETS, purpose: 'session-cookie', name: 'sessionid' })
    expect(await codeOf(async () => codec.decode(token))).toBe('SESSION_DATA')
  })

  it.each([
    [{}, /secret/],
    [{ secret: [] }, /secret/],
    [{ secret: 'short' }, /openssl/],
    [{ secret: [SECRETS[0], 'keyboard cat keyboard cat keyboard cat'] }, /secret\[1\]/],
    [{ secret: SECRETS[0], unsealed: true }, /unsealed/],
  ])('%j is a ConfigError at start-up, which does not quote the secret', (options, message) => {
    const make = () => sealed(json(), options as unknown as SealedOptions)
    expect(make).toThrow(message)
    expect(make).not.toThrow(/keyboard|one-secret/)
  })

  it('a first argument that is no codec is a ConfigError', () => {
    expect(() => sealed({ secret: SECRETS[0] } as never, { secret: SECRETS[0] })).toThrow(/json\(\)/)
  })
})

describe('payloads that were changed, or are not sealed', () => {
  it('no changed character, cut or addition is accepted', async () => {
    const payload = await codec.encode({ admin: false })
    for (let at = 0; at < payload.length; at++) {
      const changed = payload.slice(0, at) + (payload[at] === 'A' ? 'B' : 'A') + payload.slice(at + 1)
      expect(await codeOf(async () => codec.decode(changed))).toBe('SESSION_DATA')
      expect(await codeOf(async () => codec.decode(payload.slice(0, at)))).toBe('SESSION_DATA')
    }
    expect(await codeOf(async () => codec.decode(`${payload}A`))).toBe('SESSION_DATA')
  })

  it('`acceptUnsealed` reads them, and the next save seals them', async () => {
    const store = memoryStore()
    const before = bench({ store })
    await before.request(session => session.set('a', 1))
    const { cookie } = before
    expect(await bench({ store, codec }).peek('a', cookie)).toBeUndefined()
    const now = bench({ store, codec: sealed(json(), { secret: SECRETS, acceptUnsealed: true }) })
    expect(await now.peek('a', cookie)).toBe(1)
    await now.request(session => session.set('b', 2), { cookie })
    expect(await payloads(store)).toEqual([expect.stringMatching(/^[\w-]+$/)])
    expect(await bench({ store, codec }).peek('b', cookie)).toBe(2)
  })
})
