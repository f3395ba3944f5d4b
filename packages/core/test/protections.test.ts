// Protections that no other test needs to be there: each of these fails when its own is taken away.
import { inspect } from 'node:util'
import { memoryStore } from '@sess/conformance'
import { describe, expect, it } from 'vitest'
import type { Hooks } from '../src/index.ts'
import { altered, bench, codeOf } from './support.ts'

describe('a limit that was lowered', () => {
  it('absoluteAge ends sessions that were stored under the old one [A21, I7]', async () => {
    const store = memoryStore()
    const old = bench({ store, absoluteAge: 1000 })
    await old.request(s => s.set('a', 1))
    const app = bench({ store, absoluteAge: 100 })
    app.time.now += 99_999
    expect(await app.peek('a', old.cookie)).toBe(1)
    app.time.now += 1
    expect(await app.peek('a', old.cookie)).toBeUndefined()
    const result = await app.request(s => s.get('a'), { cookie: old.cookie })
    expect(result.setCookies[0]).toContain('sessionid=; Max-Age=0')
  })
})

describe('the marker that a rotation leaves', () => {
  it('is the new id and nothing else, for 30 seconds [A2, C4, A26]', async () => {
    const app = bench()
    await app.request(s => s.set('secret', 'of the old key'))
    const [before] = await entries(app.store)
    await app.request(s => s.cycleKey())
    const after = await entries(app.store)
    const marker = after.find(({ id }) => id === before!.id)
    const fresh = after.find(({ id }) => id !== before!.id)
    expect(JSON.parse(marker!.payload)).toEqual({ _session_superseded: fresh!.id })
    expect(marker!.expiresAt).toBe(app.time.now + 30_000)
  })

  it('interrupts a writer that comes with the old key, instead of giving it a session of its own [A2, C4, C2]', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    const old = app.cookie
    await app.request(s => s.cycleKey())
    expect(await codeOf(() => app.request(s => s.set('a', 2), { cookie: old }))).toBe('SESSION_INTERRUPTED')
    expect(await entries(app.store)).toHaveLength(2)
  })
})

describe('what the clock of an attacker can measure', () => {
  it('keys that differ in one character have ids that share no more than chance, so an index tells nothing [C14, A7]', async () => {
    const app = bench()
    const looked: string[] = []
    const read = (id: string) => {
      looked.push(id)
      return null
    }
    const watching = bench({ store: altered({ read }) })
    await app.request(s => s.set('a', 1))
    const [name, key] = app.cookie.split('=') as [string, string]
    for (const last of 'abcdefghijklmnopqrstuvwxyz0123456789') {
      await watching.peek('a', `${name}=${key.slice(0, -1)}${last}`)
    }
    expect(new Set(looked).size).toBe(36)
    const [first, ...others] = looked
    for (const id of others) expect(sharedStart(first!, id)).toBeLessThan(10)
  })
})

describe('a session whose identity has changed', () => {
  it('is void when the subject it belongs to has been invalidated, and the new subject is not [C12]', async () => {
    let invalidated = 0
    const app = bench({ notBefore: subject => (subject === 'ada' ? invalidated : undefined) })
    const signIn = (subject: string) =>
      app.request(
        s => {
          s.subject = subject
          s.set('of', subject)
        },
        { cookie: '' },
      )
    await signIn('ada')
    const ada = app.cookie
    await signIn('bob')
    const bob = app.cookie
    app.time.now += 1000
    invalidated = app.time.now
    expect(await app.peek('of', ada)).toBeUndefined()
    expect(await app.peek('of', bob)).toBe('bob')
  })
})

describe('what an application may log', () => {
  it('a session, an event of each hook and an error hold no key [C30, A8]', async () => {
    const logged: unknown[] = []
    const log = (event: unknown) => void logged.push(event)
    const names = ['created', 'loaded', 'saved', 'touched', 'rotated', 'destroyed', 'interrupted'] as const
    const hooks: Hooks = Object.fromEntries(names.map(name => [name, log]))
    const app = bench({ hooks, saveEveryRequest: true })
    await app.request(s => s.set('a', 1))
    const old = app.cookie
    app.time.now += 1000
    await app.request(s => logged.push(s, s.get('a')))
    await app.request(s => s.cycleKey())
    await app.request(s => s.set('a', 2), { cookie: old }).catch(log)
    const fresh = app.cookie
    await app.request(s => s.flush())
    expect(logged.length).toBeGreaterThan(8)
    const text = inspect(logged, { depth: 9, showHidden: true }) + JSON.stringify(logged)
    for (const cookie of [old, fresh]) expect(text).not.toContain(cookie.split('=')[1])
  })
})

describe('bots', () => {
  it('leave no record and get no cookie, with no cookie or with one that they made up [F30, C9]', async () => {
    const app = bench({ saveEveryRequest: true })
    for (let bot = 0; bot < 5000; bot++) {
      const key = bot.toString(36).padStart(32, '0')
      const cookie = ['', `sessionid=${key}`, `sessionid=${bot}`, `other=${key}`][bot % 4]!
      const { setCookies } = await app.request(s => s.get('a'), { cookie })
      expect(setCookies.filter(line => !line.includes('Max-Age=0'))).toEqual([])
    }
    expect(await entries(app.store)).toEqual([])
    expect(new Set(app.calls)).toEqual(new Set(['read', 'scan']))
  })
})

async function entries(store: ReturnType<typeof bench>['store']) {
  const all = []
  for await (const entry of store.scan!({ now: 0 })) all.push(entry)
  return all
}

function sharedStart(one: string, other: string): number {
  let length = 0
  while (length < one.length && one[length] === other[length]) length++
  return length
}

describe('several tenants on one store, as in docs/cookies.md', () => {
  it('a key of one tenant is nothing to another, under its own name or the other one [A9, C18]', async () => {
    const acme = bench({ cookie: { name: 'sid-acme' } })
    const umbrella = bench({ store: acme.store, cookie: { name: 'sid-umbrella' } })
    await acme.request(session => session.set('user', 'ann'))
    const key = acme.cookie.split('=')[1]!
    for (const cookie of [acme.cookie, `sid-umbrella=${key}`]) {
      expect(await umbrella.peek('user', cookie)).toBeUndefined()
      expect(await umbrella.sessions.exists(key)).toBe(false)
      expect(await umbrella.sessions.delete(key)).toBe(false)
    }
    expect(await acme.peek('user')).toBe('ann')
  })
})
