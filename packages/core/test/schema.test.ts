import { memoryStore } from '@sess/conformance'
import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { StandardSchema } from '../src/index.ts'
import { rich } from '../src/rich.ts'
import { type Bench, bench, codeOf } from './support.ts'

/** An older release, which knows nothing of `mfa` and of `user.role`, in three libraries. */
const OLDER: Record<string, StandardSchema<unknown, any>> = {
  zod: z.object({
    cart: z.number().optional(),
    user: z.object({ name: z.string() }).optional(),
    tags: z.array(z.object({ id: z.number() })).optional(),
  }),
  valibot: v.object({
    cart: v.optional(v.number()),
    user: v.optional(v.object({ name: v.string() })),
    tags: v.optional(v.array(v.object({ id: v.number() }))),
  }),
  arktype: type({
    '+': 'delete',
    'cart?': 'number',
    'user?': { '+': 'delete', name: 'string' },
    'tags?': type({ '+': 'delete', id: 'number' }).array(),
  }),
}

const STORED = {
  mfa: true,
  cart: 1,
  user: { name: 'ada', role: 'admin' },
  tags: [
    { id: 1, hidden: 'a' },
    { id: 2, hidden: 'b' },
  ],
}

/** Two releases on one store: `app` has the schema, `plain` sees what is stored. */
async function releases(schema: StandardSchema<unknown, any>, stored: object, options = {}) {
  const store = memoryStore()
  const plain = bench({ store })
  await plain.request(s => s.update(structuredClone(stored)))
  const app = bench({ store, schema, ...options })
  app.cookie = plain.cookie
  return {
    app,
    now: async () => {
      const session = plain.sessions.open(app.cookie)
      await session.load()
      return session.toJSON()
    },
  }
}

const CODE = (code: string) => expect.objectContaining({ code })
const failing = (app: Bench, handle: (s: any) => unknown): Promise<unknown> =>
  app.request(handle).then(
    () => undefined,
    error => error,
  )

describe.each(Object.entries(OLDER))('a schema that strips unknown keys (%s)', (_, schema) => {
  it('deletes nothing that it does not know', async () => {
    const { app, now } = await releases(schema, STORED)
    await app.request(s => {
      expect([s.has('mfa'), s.get('user')]).toEqual([false, { name: 'ada' }])
      s.set('cart', 2)
    })
    expect(await now()).toEqual({ ...STORED, cart: 2 })
  })

  it('nor inside objects and lists, mutated or updated', async () => {
    const { app, now } = await releases(schema, STORED)
    await app.request(s => {
      s.get('user').name = 'bob'
      s.get('tags').push({ id: 3 })
    })
    expect(await now()).toEqual({
      ...STORED,
      user: { name: 'bob', role: 'admin' },
      tags: [...STORED.tags, { id: 3 }],
    })
    await app.request(s => {
      s.update('user', (user: any) => ({ ...user, name: 'eve' }))
      s.update('tags', (tags: any[]) => tags.slice(1))
    })
    expect(await now()).toEqual({
      ...STORED,
      user: { name: 'eve', role: 'admin' },
      tags: [{ id: 2, hidden: 'b' }, { id: 3 }],
    })
  })

  it('a set replaces a value whole: the next user does not inherit a role', async () => {
    const { app, now } = await releases(schema, STORED)
    await app.request(s => s.set('user', { name: 'bob' }))
    expect(await now()).toEqual({ ...STORED, user: { name: 'bob' } })
  })

  it('delete, clear, flush, rotation and a request in between', async () => {
    const { app, now } = await releases(schema, STORED)
    await app.request(s => s.cycleKey())
    expect(await now()).toEqual(STORED)
    await app.request(async s => {
      s.set('cart', 3)
      await app.request(other => other.delete('tags'))
    })
    expect(await now()).toEqual({ mfa: true, cart: 3, user: STORED.user })
    await app.request(async s => {
      s.set('cart', 4)
      await s.save()
      s.get('user').name = 'cy'
    })
    expect(await now()).toEqual({ mfa: true, cart: 4, user: { name: 'cy', role: 'admin' } })
    await app.request(s => s.clear())
    expect(await now()).toEqual({})
    await app.request(s => s.flush())
    expect(app.cookie).toBe('')
  })

  it('what does not fit is not saved, and the error names the key and no value', async () => {
    const { app, now } = await releases(schema, STORED)
    const error = (await failing(app, s => s.set('cart', 'canary'))) as Error
    expect(error).toEqual(CODE('SESSION_DATA'))
    expect(error.message).toContain('"cart"')
    expect(error.message).not.toContain('canary')
    expect(await failing(app, s => (s.get('user').name = 5))).toEqual(CODE('SESSION_DATA'))
    expect(await failing(app, s => s.update('cart', () => 'x'))).toEqual(CODE('SESSION_DATA'))
    expect(await now()).toEqual(STORED)
    const fresh = bench({ schema })
    expect(await codeOf(() => fresh.request(s => s.set('cart', 'x')))).toBe('SESSION_DATA')
    expect(fresh.calls).toEqual([])
  })
})

describe('a schema that transforms', () => {
  const dates = {
    zod: z.object({
      at: z.coerce.date(),
      n: z.number(),
      in: z.object({ at: z.coerce.date(), n: z.number() }),
    }),
    valibot: v.object({
      at: v.pipe(
        v.string(),
        v.transform(text => new Date(text)),
      ),
      n: v.number(),
      in: v.object({
        at: v.pipe(
          v.string(),
          v.transform(text => new Date(text)),
        ),
        n: v.number(),
      }),
    }),
    arktype: type({ at: 'string.date.parse', n: 'number', in: { at: 'string.date.parse', n: 'number' } }),
  }
  it.each(Object.entries(dates))('%s: a date made of text does not make a save fail', async (_, schema) => {
    const at = '2026-11-28T12:00:00.000Z'
    const { app, now } = await releases(schema, { at, n: 1, in: { at, n: 1 } })
    await app.request(s => {
      expect(s.get('at')).toBeInstanceOf(Date)
      s.set('n', 2)
      s.get('in').n = 2
    })
    expect(await now()).toEqual({ at, n: 2, in: { at, n: 2 } })
    await app.request(async s => {
      s.set('n', 3)
      await app.request(other => other.update('in', (value: any) => ({ ...value, n: 3 })))
    })
    expect(await now()).toEqual({ at, n: 3, in: { at, n: 3 } })
  })
})

describe('the defaults of a schema', () => {
  const schema = z.object({ lang: z.string().default('en'), list: z.array(z.number()).default([]) })

  it('apply to new sessions, and make none', async () => {
    const app = bench({ schema })
    const result = await app.request(s => {
      expect([s.get('lang'), s.get('list'), s.isEmpty]).toEqual(['en', [], true])
    })
    expect([result.setCookies, app.calls]).toEqual([[], []])
    await app.request((s: any) => s.get('list').push(1))
    expect([await app.peek('lang'), await app.peek('list')]).toEqual(['en', [1]])
    // Stored with the session: what a later release makes the default does not change it.
    expect(await bench({ store: app.store }).peek('lang', app.cookie)).toBe('en')
  })

  it('a dead cookie is still deleted', async () => {
    const app = bench({ schema })
    const { setCookies } = await app.request(s => s.get('lang'), { cookie: `sessionid=${'a'.repeat(32)}` })
    expect(setCookies).toEqual([expect.stringContaining('Max-Age=0')])
  })

  it('a schema that has to be waited for has none, and rejects into nothing', async () => {
    const late = {
      '~standard': { version: 1, vendor: 'test', validate: async () => Promise.reject(new Error()) },
    }
    const app = bench({ schema: late as never })
    expect(await app.request(s => expect(s.size).toBe(0))).toMatchObject({ setCookies: [] })
  })
})

describe('migrate', () => {
  const schema = z.strictObject({ items: z.array(z.string()) })

  it('gets a copy and the issues; the next save stores what it returned', async () => {
    const seen: unknown[] = []
    const migrate = (data: any, issues: readonly unknown[]) => {
      seen.push(structuredClone(data), issues.length > 0)
      return { items: data.cart.split(',') }
    }
    const { app, now } = await releases(schema, { cart: 'a,b' }, { migrate })
    await app.request(s => expect(s.get('items')).toEqual(['a', 'b']))
    expect(seen).toEqual([{ cart: 'a,b' }, true])
    expect(await now()).toEqual({ cart: 'a,b' })
    await app.request(s => s.update('items', (items: any) => [...items, 'c']))
    expect(await now()).toEqual({ items: ['a', 'b', 'c'] })
  })

  it.each<[string, () => any]>([
    ['gives up', () => undefined],
    ['returns what does not fit', () => ({ items: 5 })],
    ['throws', () => JSON.parse('{')],
    ['rejects', () => Promise.reject(new Error('late'))],
  ])('%s: an empty session and an event', async (_, migrate) => {
    const reasons: string[] = []
    const hooks = { corrupt: ({ reason }: { reason: string }) => void reasons.push(reason) }
    const { app } = await releases(schema, { cart: 'a' }, { migrate, hooks })
    await app.request(s => expect(s.size).toBe(0))
    expect(reasons).toEqual(['schema'])
  })

  it('needs a schema', () => {
    expect(() => bench({ migrate: () => undefined })).toThrow(expect.objectContaining({ option: 'migrate' }))
  })
})

describe('a default that the schema gives to everybody', () => {
  const LIST: string[] = []
  const SHARED = {
    list: LIST,
    when: new Date(0),
    map: new Map([['a', LIST]]),
    set: new Set(['a']),
    deep: { list: [{ words: LIST }] },
  }
  const SCHEMAS: Record<string, StandardSchema<unknown, any>> = {
    zod: z.object({ list: z.array(z.string()).default(LIST), when: z.date().default(new Date(0)) }),
    valibot: v.object({
      list: v.optional(v.array(v.string()), LIST),
      when: v.optional(v.date(), new Date(0)),
    }),
    'one written by hand': {
      '~standard': {
        version: 1,
        vendor: 'hand',
        validate: value => ({ value: { ...SHARED, ...(value as object) } }),
      },
    },
  }

  it.each(Object.keys(SCHEMAS))('does not carry one visitor’s words to the next: %s [S2]', async library => {
    const options = { schema: SCHEMAS[library]!, codec: rich() }
    const write = (s: any): void => {
      s.get('list').push('word')
      s.data.when.setFullYear(2000)
      s.get('map')?.get('a').push('word')
      s.get('map')?.set('b', [])
      s.get('set')?.add('word')
      s.get('deep')?.list[0].words.push('word')
    }
    const seen = (s: any): unknown => [...s.values()]
    const before = await captured(bench(options), seen)
    // A new session, and one that was stored before there was a default.
    const plain = bench({ codec: options.codec })
    await plain.request(s => s.set('user' as never, 'ada' as never))
    for (const app of [bench(options), bench({ ...options, store: plain.store })]) {
      await app.request(write, { cookie: plain.cookie })
    }
    expect(LIST).toEqual([])
    expect(await captured(bench(options), seen)).toEqual(before)
  })

  async function captured(app: Bench, look: (session: any) => unknown): Promise<unknown> {
    let found: unknown
    await app.request(s => {
      found = structuredClone(look(s))
    })
    return found
  }
})
