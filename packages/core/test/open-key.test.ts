import { memoryStore } from '@sess/conformance'
import { encryptedCookieStore } from '@sess/store-cookie'
import { describe, expect, it } from 'vitest'
import { createSessions, type Session } from '../src/index.ts'
import { codeOf, slow } from './support.ts'

// A key that did not come in our own cookie: an adapter has verified it.

const KEY = 'any text: ü/+='

async function begun(sessions: ReturnType<typeof createSessions>, key: string): Promise<Session> {
  const session = sessions.openKey(key)
  await session.load()
  return session
}

describe('openKey', () => {
  const sessions = createSessions({ store: memoryStore() })

  it('finds no session, and takes no key from outside for a new one', async () => {
    const session = await begun(sessions, KEY)
    expect(session.get('a')).toBeUndefined()
    expect(session.sessionKey).toBeNull()
  })

  it('inserts a new session under the key, and finds it again', async () => {
    const session = sessions.openKey(KEY, { isNew: true })
    expect(session.isEmpty).toBe(false)
    session.set('a', 1)
    await session.save({ mustCreate: true })
    expect(session.sessionKey).toBe(KEY)
    const found = await begun(sessions, KEY)
    expect(found.get('a')).toBe(1)
    expect(found.sessionKey).toBe(KEY)
  })

  it('does not replace a session that has the key already', async () => {
    const session = sessions.openKey(KEY, { isNew: true })
    session.set('a', 2)
    expect(await codeOf(() => session.save({ mustCreate: true }))).toBe('SESSION_EXISTS')
    expect((await begun(sessions, KEY)).get('a')).toBe(1)
  })

  it('is an error without `mustCreate` too, by save() and by the response: no other key is taken', async () => {
    for (const save of [
      (session: Session) => session.save(),
      (session: Session) => sessions.commit(session, { status: 200 }),
    ]) {
      const session = sessions.openKey(KEY, { isNew: true })
      session.set('a', 2)
      expect(await codeOf(() => save(session))).toBe('SESSION_EXISTS')
      expect(session.sessionKey).toBe(KEY)
      expect((await begun(sessions, KEY)).get('a')).toBe(1)
    }
  })

  it.each(['end-oldest', 'refuse'] as const)(
    'keeps the key of a new session that logs in, with `maxSessions` (%s)',
    async policy => {
      const store = memoryStore()
      const limited = createSessions({ store, maxSessions: { count: 1, then: policy } })
      const logIn = async (key: string): Promise<Session> => {
        const session = limited.openKey(key, { isNew: true })
        session.subject = 'ada'
        await limited.commit(session, { status: 200 })
        return session
      }
      expect((await logIn('first')).sessionKey).toBe('first')
      expect((await begun(limited, 'first')).subject).toBe('ada')
      if (policy === 'refuse') return expect(await codeOf(() => logIn('second'))).toBe('SESSION_LIMIT')
      await logIn('second')
      expect((await begun(limited, 'second')).subject).toBe('ada')
    },
  )

  it('keeps the key when two logins at once go back and try again', async () => {
    const store = slow(memoryStore())
    const logins = ['one', 'two'].map(async key => {
      // As in two processes, which do not wait for each other.
      const limited = createSessions({ store, maxSessions: { count: 1, then: 'refuse' } })
      const session = limited.openKey(key, { isNew: true })
      session.subject = 'ada'
      await limited.commit(session, { status: 200 })
      return session.sessionKey
    })
    const outcomes = await Promise.allSettled(logins)
    const won = outcomes.flatMap((outcome, n) => (outcome.status === 'fulfilled' ? [n] : []))
    expect(won).toHaveLength(1)
    const key = ['one', 'two'][won[0]!]!
    expect((await begun(createSessions({ store }), key)).subject).toBe('ada')
  })

  it('ends the session', async () => {
    const session = await begun(sessions, KEY)
    session.flush()
    await session.save()
    expect((await begun(sessions, KEY)).get('a')).toBeUndefined()
  })

  it('names a session that exists() and delete() find as well', async () => {
    const session = sessions.openKey(KEY, { isNew: true })
    session.set('a', 3)
    await session.save({ mustCreate: true })
    expect(await sessions.exists(KEY)).toBe(true)
    expect(await sessions.delete(KEY)).toBe(true)
    expect(await sessions.exists(KEY)).toBe(false)
    expect(await sessions.exists('')).toBe(false)
  })

  it('is an error for cookie sessions, which have no key', async () => {
    const inCookies = createSessions({
      store: encryptedCookieStore(),
      secret: 'kD9vXo3c1Yq8mZr5T7uW2bE4nH6jL0pS',
    })
    expect(await codeOf(() => inCookies.openKey(KEY))).toBe('CONFIG')
  })
})
