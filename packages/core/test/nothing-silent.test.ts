import { createRequire } from 'node:module'
import { inspect } from 'node:util'
import { memoryStore } from '@sess/conformance'
import connectFlash from 'connect-flash'
import { describe, expect, it } from 'vitest'
import { createSessions, type HookEvent, type Session, type Sessions } from '../src/index.ts'
import { bench, START } from './support.ts'

const sloppy = createRequire(import.meta.url)('./sloppy/idioms.cjs') as {
  assign(object: object, key: PropertyKey, value: unknown): void
  connectFlash(session: object): Record<string, string[]>
  remove(object: object, key: PropertyKey): boolean
  isStrict: boolean
}

function open(options = {}): Session {
  return createSessions({ store: memoryStore(), clock: () => START, ...options }).open()
}

/** Every name that an object answers to, its own and its prototypes', but Object's. */
function membersOf(object: object): PropertyKey[] {
  const members: PropertyKey[] = []
  for (
    let at = Object.getPrototypeOf(object);
    at && at !== Object.prototype;
    at = Object.getPrototypeOf(at)
  ) {
    try {
      members.push(...Reflect.ownKeys(at))
    } catch {
      break
    }
  }
  return members
}

const SETTABLE: PropertyKey[] = ['subject', 'device', 'accessed', 'modified', 'extend']

describe('a session is no plain object, and nothing done to it as one is silent', () => {
  it('runs in sloppy mode here', () => {
    expect(sloppy.isStrict).toBe(false)
  })

  it('throws for an assignment to any name, a method or a symbol too, in sloppy mode', () => {
    const session = open()
    const names = [...membersOf(session), 'userId', '__proto__', 'toString', Symbol('mine')].filter(
      name => !SETTABLE.includes(name),
    )
    expect(names).toContain('flash')
    for (const name of names) {
      expect(() => sloppy.assign(session, name, 1), String(name)).toThrow(TypeError)
    }
    for (const name of SETTABLE) {
      const value = name === 'subject' ? 'u' : name === 'device' ? { label: 'u' } : true
      sloppy.assign(session, name, value)
      expect(session[name as 'subject'], String(name)).toEqual(value)
    }
  })

  it.each<[string, (session: any) => unknown]>([
    ['Object.assign', s => Object.assign(s, { userId: 1 })],
    ['delete', s => sloppy.remove(s, 'userId')],
    ['delete of a method', s => sloppy.remove(s, 'flash')],
    ['in', s => 'userId' in s],
    ['hasOwn', s => Object.hasOwn(s, 'userId')],
    ['Object.keys', s => Object.keys(s)],
    ['Object.values', s => Object.values(s)],
    ['spread', s => ({ ...s })],
    ['Object.assign from it', s => Object.assign({}, s)],
    [
      'for in',
      s => {
        for (const key in s) return key
        return undefined
      },
    ],
    ['structuredClone', s => structuredClone(s)],
    ['defineProperty', s => Object.defineProperty(s, 'userId', { value: 1 })],
    ['defineProperty of a method', s => Object.defineProperty(s, 'get', { value: 1 })],
    ['freeze', s => Object.freeze(s)],
    ['preventExtensions', s => Object.preventExtensions(s)],
    ['setPrototypeOf', s => Object.setPrototypeOf(s, {})],
  ])('throws for %s', (_, idiom) => {
    const session = open()
    session.set('userId', 1)
    expect(() => idiom(session)).toThrow(Error)
    expect(session.get('userId')).toBe(1)
    expect(session.flash).toBeTypeOf('function')
  })

  it('names the method to call', () => {
    const session = open() as any
    expect(() => sloppy.assign(session, 'userId', 1)).toThrow('Call session.set(')
    expect(() => sloppy.remove(session, 'userId')).toThrow('Call session.delete(')
    expect(() => 'userId' in session).toThrow('Call session.has(')
    expect(() => Object.keys(session)).toThrow('session.toJSON()')
    expect(() => Object.defineProperty(session, 'a', { value: 1 })).toThrow('Call session.set(')
    expect(() => sloppy.assign(session, 'sessionKey', 1)).toThrow('sessionKey')
  })

  it('says what is wrong and what to call instead', () => {
    const session = open() as any
    const messages = [
      () => sloppy.assign(session, 'userId', 1),
      () => sloppy.assign(session, 'flash', () => undefined),
      () => sloppy.assign(session, 'sessionKey', 1),
      () => sloppy.remove(session, 'userId'),
      () => 'userId' in session,
      () => Object.hasOwn(session, 'userId'),
      () => Object.keys(session),
      () => Object.defineProperty(session, 'a', { value: 1 }),
      () => Object.freeze(session),
      () => Object.setPrototypeOf(session, {}),
    ].map(idiom => {
      try {
        return idiom()
      } catch (error) {
        return (error as Error).message
      }
    })
    expect(messages).toEqual([
      'session.userId is not saved. Call session.set(key, value).',
      'session.flash cannot be assigned to. Instead of connect-flash call session.flash(name, value).',
      'session.sessionKey cannot be assigned to.',
      'session.userId is not deleted. Call session.delete(key), or session.flush() to log out.',
      "A session's keys are no properties, so `in` does not see userId. Call session.has(key).",
      "A session's keys are no properties, userId neither. Call session.has(key).",
      "A session's keys are no properties. Call session.keys() or session.toJSON(), or use session.data.",
      'session.a is not saved. Call session.set(key, value).',
      'A session cannot be frozen.',
      'A session keeps its prototype.',
    ])
  })

  it('works for what is asked of every object', async () => {
    const session = open()
    session.set('userId', 1)
    expect(JSON.stringify({ session })).toBe('{"session":{"userId":1}}')
    expect(String(session)).toBe('[object Object]')
    expect('get' in session).toBe(true)
    expect(Symbol.asyncIterator in session).toBe(false)
    expect(await session).toBe(session)
    expect([...session]).toEqual([['userId', 1]])
    expect((session as any).userId).toBeUndefined()
    expect(session).toBeInstanceOf(Object)
  })

  it('shares nothing that can be changed', () => {
    const session = open()
    const seen = new Set<unknown>()
    const frozen = (value: unknown, path: string): void => {
      if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value))
        return
      seen.add(value)
      expect(Object.isFrozen(value), path).toBe(true)
      for (const key of Reflect.ownKeys(value)) {
        const property = Object.getOwnPropertyDescriptor(value, key)!
        const at = `${path}.${String(key)}`
        for (const part of ['value', 'get', 'set'] as const) frozen(property[part], `${at}.${part}`)
      }
    }
    const prototype = Object.getPrototypeOf(session)
    frozen(prototype, 'prototype')
    expect(seen.size).toBeGreaterThan(40)
  })

  it('connect-flash is an error at its first call, and no visitor reads another one’s words', async () => {
    const { sessions } = bench()
    const visit = (use: (req: any) => unknown): unknown => {
      const req: any = { session: sessions.open() }
      connectFlash()(req, {} as any, () => undefined)
      return use(req)
    }
    expect(() => visit(req => req.flash('info', 'secret of the first visitor'))).toThrow('session.flash')
    expect(() => visit(req => req.flash('info'))).toThrow(TypeError)
    expect(() => sloppy.connectFlash(sessions.open())).toThrow(TypeError)
    expect((sessions.open().flash as any).info).toBeUndefined()
  })
})

describe('session.data is a plain object to whoever uses it', () => {
  it('does what is done to it', async () => {
    const self = bench()
    await self.request(({ data }) => {
      Object.assign(data, { a: 1, b: [1] })
      sloppy.assign(data, 'c', 3)
      sloppy.assign(data, 'flash', 'a name like any other')
      expect(sloppy.remove(data, 'a')).toBe(true)
    })
    await self.request(session => {
      const { data } = session
      expect(Object.keys(data)).toEqual(['b', 'c', 'flash'])
      expect({ ...data }).toEqual({ b: [1], c: 3, flash: 'a name like any other' })
      expect(['a' in data, 'b' in data, Object.hasOwn(data, 'c')]).toEqual([false, true, true])
      expect(JSON.stringify(data)).toBe('{"b":[1],"c":3,"flash":"a name like any other"}')
    })
  })

  it.each<[string, (data: any) => unknown]>([
    ['defineProperty', d => Object.defineProperty(d, 'a', { get: () => 1 })],
    ['a symbol', d => sloppy.assign(d, Symbol('a'), 1)],
    ['the session’s own names', d => sloppy.assign(d, '_session_subject', 'root')],
    ['freeze', d => Object.freeze(d)],
    ['setPrototypeOf', d => Object.setPrototypeOf(d, {})],
  ])('throws for %s', (_, idiom) => {
    const session = open()
    session.set('b', 1)
    expect(() => idiom(session.data)).toThrow(Error)
    expect([...session]).toEqual([['b', 1]])
  })
})

describe('an engine', () => {
  it('cannot be assigned to, in sloppy mode neither', () => {
    const sessions: Sessions = bench().sessions
    const names = [...membersOf(sessions), 'age', Symbol('mine')]
    expect(names).toContain('open')
    for (const name of names) {
      expect(() => sloppy.assign(sessions, name, 1), String(name)).toThrow(TypeError)
    }
    expect(() => Object.assign(sessions, { age: 60 })).toThrow('options')
    expect(() => Object.defineProperty(sessions, 'open', { value: 1 })).toThrow(TypeError)
    expect(sessions.open).toBeTypeOf('function')
  })
})

describe('what hooks are told', () => {
  it('is an object of each call’s own: changing it changes nothing', async () => {
    const events: HookEvent[] = []
    const change = (event: HookEvent): void => {
      events.push({ ...event })
      event.id = 'mine'
      sloppy.assign(event, 'durationMs', -1)
    }
    const self = bench({ hooks: { created: change, loaded: change, saved: change, destroyed: change } })
    await self.request(session => session.set('a', 1))
    await self.request(session => session.set('a', 2))
    await self.request(session => session.flush())
    expect(new Set(events.map(({ id }) => id)).size).toBe(1)
    expect(events.every(({ durationMs }) => durationMs === 0)).toBe(true)
  })
})

describe('what a log shows of a session', () => {
  it('is what helps and no value, no key, no subject', async () => {
    const self = bench()
    await self.request(session => {
      session.set('card', '4111 canary')
      session.subject = 'canary@example.org'
    })
    const session = self.sessions.open(self.cookie)
    expect(inspect(session)).toContain('not loaded')
    await session.load()
    session.get('card')
    for (const text of [
      inspect(session, { depth: 20, showHidden: true }),
      inspect({ session }, { depth: 20 }),
      inspect(session, { showProxy: true, depth: 20 }),
      inspect(self.sessions, { depth: 20, showHidden: true, showProxy: true }),
    ]) {
      expect(text).not.toContain('canary')
      expect(text).not.toContain(session.sessionKey)
    }
    expect(inspect(session)).toContain('card')
  })

  it('shows without looking, failing or Django’s `accessed`', () => {
    const { sessions } = bench({ lazy: true })
    const session = sessions.open('sessionid=abcdefghijklmnopqrstuvwxyz012345')
    expect(inspect(session)).toContain('not loaded')
    expect(session.accessed).toBe(false)
  })
})
