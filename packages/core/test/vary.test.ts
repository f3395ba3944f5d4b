import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { Session } from '../src/index.ts'
import { Session as SessionClass } from '../src/session.ts'
import { bench } from './support.ts'

/** Every public member: a use of it, and whether what it gives depends on the visitor. */
const USES: Record<string, readonly [use: (session: Session) => unknown, varies: boolean]> = {
  get: [s => s.get('a'), true],
  set: [s => s.set('a', 1), true],
  has: [s => s.has('a'), true],
  delete: [s => s.delete('none'), true],
  pop: [s => s.pop('none'), true],
  setDefault: [s => s.setDefault('a', 1), true],
  update: [s => s.update({}), true],
  keys: [s => s.keys(), true],
  values: [s => s.values(), true],
  entries: [s => s.entries(), true],
  'Symbol(Symbol.iterator)': [s => [...s], true],
  size: [s => s.size, true],
  toJSON: [s => JSON.stringify(s), true],
  // The view by itself tells nothing; what is done with it is asked below.
  data: [s => void s.data, false],
  clear: [s => s.clear(), true],
  flush: [s => s.flush(), true],
  cycleKey: [s => s.cycleKey(), true],
  setExpiry: [s => s.setExpiry(null), true],
  getExpiryAge: [s => s.getExpiryAge(), true],
  getExpiryDate: [s => s.getExpiryDate(), true],
  getExpireAtBrowserClose: [s => s.getExpireAtBrowserClose(), true],
  expiresAt: [s => s.expiresAt, true],
  remaining: [s => s.remaining, true],
  extend: [s => s.extend, false],
  setTestCookie: [s => s.setTestCookie(), true],
  testCookieWorked: [s => s.testCookieWorked(), true],
  deleteTestCookie: [s => s.deleteTestCookie(), true],
  flash: [s => s.flash('none'), true],
  subject: [s => s.subject, true],
  carrier: [s => s.carrier, true],
  createdAt: [s => s.createdAt, true],
  authenticatedAt: [s => s.authenticatedAt, true],
  device: [s => s.device, true],
  isFresh: [s => s.isFresh(600), true],
  reauthenticated: [s => expect(() => s.reauthenticated()).toThrow('no subject'), true],
  sessionKey: [s => s.sessionKey, true],
  isEmpty: [s => s.isEmpty, true],
  // What the handler itself has done.
  accessed: [s => s.accessed, false],
  modified: [s => s.modified, false],
  // The adapter calls it for every visitor.
  load: [s => s.load(), false],
  save: [s => s.save(), true],
  create: [s => s.create(), true],
  'Symbol(nodejs.util.inspect.custom)': [s => inspect(s), true],
  constructor: [(s: Session) => s.constructor, false] as const,
}

describe('whatever tells the handler something about the visitor sets Vary: Cookie [F6]', () => {
  it('asks every member', () => {
    expect(Object.keys(USES).sort()).toEqual(Reflect.ownKeys(SessionClass.prototype).map(String).sort())
  })

  for (const visitor of ['without a cookie', 'with a session', 'with a dead cookie']) {
    it.each(Object.entries(USES))(`%s, ${visitor}`, async (_, [use, varies]) => {
      const self = bench()
      if (visitor === 'with a session') await self.request(s => s.set('a', 1))
      if (visitor === 'with a dead cookie') self.cookie = `sessionid=${'a'.repeat(32)}`
      expect((await self.request(use)).vary).toBe(varies)
    })
  }

  it.each<[string, (data: any) => unknown]>([
    ['read', d => d.a],
    ['in', d => 'a' in d],
    ['keys', d => Object.keys(d)],
    ['delete', d => delete d.a],
    ['JSON', d => JSON.stringify(d)],
  ])('session.data: %s', async (_, use) => {
    expect((await bench().request(s => use(s.data))).vary).toBe(true)
  })

  it('`accessed` stays Django’s', async () => {
    const session = bench().sessions.open()
    expect([session.isEmpty, session.sessionKey, session.accessed]).toEqual([true, null, false])
  })
})
