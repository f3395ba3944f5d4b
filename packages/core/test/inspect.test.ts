import { cacheStore } from '@sess/store-cache'
import { expect, it } from 'vitest'
import { createSessions } from '../src/index.ts'
import { inspect, isSecret, jsonReady, MASK, printable, viewOf } from '../src/inspect.ts'

it('a secret is masked wherever a codec may put it', () => {
  class Login {
    password = 'hunter2'
  }
  const data = {
    user: { apiKey: 'hunter2', name: 'ada' },
    map: new Map([['password', 'hunter2']]),
    nested: new Map([['user', new Map([['token', { value: 'hunter2' }]])]]),
    list: [{ secret: 'hunter2' }, 'Bearer hunter2hunter2', 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln'],
    login: new Login(),
    pin: 1234n,
  }
  const shown = JSON.stringify(jsonReady(data, isSecret))
  expect(shown).not.toMatch(/hunter2|eyJ|1234/)
  expect(shown).toContain('ada')
  expect(JSON.stringify(jsonReady(data))).toContain('hunter2')
})

it('flags and empty values are shown under any name', () => {
  const data = { token: '', password: null, pin: false, hash: 0 }
  expect({ ...(jsonReady(data, isSecret) as object) }).toEqual({ ...data, hash: MASK })
})

it('data that are nested too deep, contain themselves, or multiply are cut', () => {
  const deep = JSON.parse('['.repeat(20_000) + ']'.repeat(20_000))
  expect(JSON.stringify(jsonReady({ deep }))).toContain('nested deeper than 64 levels')

  const circle: Record<string, unknown> = { name: 'ada' }
  circle['self'] = circle
  expect(JSON.stringify(jsonReady(circle))).toBe('{"name":"ada","self":"… (contains itself)"}')

  let laughs: unknown[] = ['ha']
  for (let level = 0; level < 24; level++) laughs = [laughs, laughs]
  expect(JSON.stringify(jsonReady({ laughs }))).toContain('more than 200000 values')
})

it('what is not printable is escaped, outside the basic plane, too', () => {
  expect(printable('a\u202eb\u2028c\n\u{e0041}')).toBe('a\\u202eb\\u2028c\\u000a\\u{e0041}')
})

it('a marker in plain JSON is one for a codec that cannot read it, too, and a broken payload is none', async () => {
  const view = (payload: string) =>
    viewOf(
      { id: 'a'.repeat(40), payload, expiresAt: 0, version: '1' },
      () => Promise.reject(new Error('no')),
      1,
    )
  const payload = '{"_session_superseded":"sess-move","receipt":[]}'
  expect(await view(payload)).toMatchObject({ supersededBy: 'sess-move', problem: undefined })
  for (const other of [` ${payload}`, '{"_session_superseded":""}', '{"name":"_session_superseded"}']) {
    expect(await view(other)).toMatchObject({ supersededBy: undefined, problem: expect.any(String) })
  }
})

it('a watcher gets every event, and leaves the hooks of the application as they are', async () => {
  class AppHooks {
    readonly #seen: string[] = []
    created(): void {
      this.#seen.push('created')
    }
    loaded(): void {
      this.#seen.push('loaded')
    }
    error(_: unknown, source: string): void {
      this.#seen.push(`error in ${source}`)
    }
    get seen(): readonly string[] {
      return this.#seen
    }
  }
  const hooks = new AppHooks()
  const sessions = createSessions({ store: cacheStore(), hooks })
  const events: string[] = []
  const stop = inspect(sessions).watch((hook, { id }) => events.push(`${hook} ${id?.length}`))
  const stopThrowing = inspect(sessions).watch(() => {
    throw new Error('of the watcher')
  })
  const login = async () => {
    const session = sessions.open()
    await session.load()
    session.subject = 'ada'
    await sessions.commit(session, { status: 200 })
    return session.sessionKey!
  }
  const key = await login()
  await new Promise(resolve => setTimeout(resolve))
  stopThrowing()
  expect(await sessions.delete(key)).toBe(true)
  expect(events).toEqual(['created 40', 'destroyed 40'])
  expect(hooks.seen.filter(name => name !== 'loaded')).toEqual(['created', 'error in created'])
  stop()
  await login()
  expect(events).toHaveLength(2)
})

it('a watcher gets the events of every tenant, if cookies depend on the request', async () => {
  const sessions = createSessions({
    store: cacheStore(),
    cookie: { byRequest: ({ isolate }: { isolate: string }) => ({ isolate }) },
  })
  const login = async (isolate: string) => {
    const session = sessions.open('', { request: { isolate } })
    await session.load()
    session.subject = 'ada'
    await sessions.commit(session, { status: 200 })
  }
  await login('known')
  const events: string[] = []
  const stop = inspect(sessions).watch(hook => events.push(hook))
  await login('known')
  await login('new')
  stop()
  await login('new')
  expect(events).toEqual(['created', 'created'])
})

it('only an engine can be inspected', () => {
  for (const wrong of [undefined, {}, cacheStore()]) {
    expect(() => inspect(wrong as never)).toThrow(/sessions: takes an engine/)
  }
})
