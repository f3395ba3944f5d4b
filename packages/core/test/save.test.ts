import { memoryStore } from '@sess/conformance'
import { describe, expect, it } from 'vitest'
import { saveSession } from '../src/adapter.ts'
import type { Session } from '../src/index.ts'
import { altered, bench, codeOf, slow } from './support.ts'

describe('saveSession, which facades of another API call', () => {
  it('stores at once and returns no promise if the store returns none', async () => {
    const app = bench()
    const session = app.sessions.open()
    session.set('a', 1)
    expect(saveSession(session)).toBeUndefined()
    expect(app.calls).toEqual(['insert'])
    session.set('a', 2)
    expect(saveSession(session)).toBeUndefined()
    expect(app.calls).toEqual(['insert', 'read', 'replace'])
  })

  it('stores nothing after flush(), unless with mustCreate', async () => {
    const app = bench()
    await app.request(session => session.set('a', 1))
    app.calls.length = 0
    await app.request(session => {
      session.flush()
      expect(saveSession(session)).toBeUndefined()
      expect(app.calls).toEqual(['read', 'remove'])
      expect(saveSession(session, { mustCreate: true })).toBeUndefined()
      expect(app.calls).toEqual(['read', 'remove', 'insert'])
    })
  })

  it('counts as access, so caches keep the response to its visitor', async () => {
    const app = bench()
    const { vary } = await app.request(session => {
      saveSession(session)
      expect(session.accessed).toBe(true)
    })
    expect(vary).toBe(true)
  })

  it('loads a session that is not loaded yet', async () => {
    const app = bench()
    await app.request(session => session.set('a', 1))
    const session = app.sessions.open(app.cookie)
    const saving = saveSession(session)
    expect(saving).toBeInstanceOf(Promise)
    await saving
    expect(session.get('a')).toBe(1)
  })

  it('waits for a store that waits, and rejects changes meanwhile', async () => {
    const app = bench({ store: slow(memoryStore()) })
    const session = app.sessions.open()
    await session.load()
    session.set('a', 1)
    const first = saveSession(session)
    expect(first).toBeInstanceOf(Promise)
    const second = saveSession(session)
    expect(await codeOf(() => session.set('a', 2))).toBe('SESSION_COMMITTED')
    expect(app.calls).toEqual(['insert'])
    await first
    await second
    session.set('a', 2)
    await saveSession(session)
    expect(await app.peek('a', `sessionid=${session.sessionKey}`)).toBe(2)
  })

  it('allows changes again when it is done', async () => {
    const session = bench({ store: slow(memoryStore()) }).sessions.open()
    await session.load()
    session.set('a', 1)
    await saveSession(session)
    session.set('a', 2)
    expect(session.get('a')).toBe(2)
  })

  it('the commit waits for it, and a failure that nobody awaits is reported by the commit', async () => {
    const insert = async () => {
      throw new Error('down')
    }
    const app = bench({ store: altered({ insert }) })
    const session = app.sessions.open()
    await session.load()
    session.set('a', 1)
    void saveSession(session)
    expect(await codeOf(() => app.sessions.commit(session, { status: 200 }))).toBe('SESSION_STORE')
  })

  it('throws what the store throws', async () => {
    const insert = () => {
      throw new Error('down')
    }
    const session = bench({ store: altered({ insert }) }).sessions.open()
    session.set('a', 1)
    expect(() => saveSession(session)).toThrow(expect.objectContaining({ code: 'SESSION_STORE' }))
  })

  it('rejects after the commit, and tells the hook `error`', async () => {
    const told: unknown[] = []
    const app = bench({ hooks: { error: (_error, method) => void told.push(method) } })
    let ended!: Session
    await app.request(session => {
      ended = session
      session.set('a', 1)
    })
    app.calls.length = 0
    expect(await codeOf(() => saveSession(ended))).toBe('SESSION_COMMITTED')
    expect(app.calls).toEqual([])
    expect(told).toEqual(['save'])
  })
})

describe('a save after removeBySubject has ended the own session', () => {
  const saves = {
    saveSession: (session: Session) => saveSession(session),
    'save()': (session: Session) => session.save(),
  }
  it.each(Object.entries(saves))('%s stores nothing, and the visitor is logged out', async (_name, save) => {
    const app = bench()
    await app.request(session => {
      session.subject = 'ada'
    })
    await app.request(async session => {
      await app.sessions.removeBySubject('ada')
      await save(session)
      expect(session.isEmpty).toBe(true)
    })
    expect(app.cookie).toBe('')
  })

  it('create() makes a session of nobody', async () => {
    const app = bench()
    await app.request(session => {
      session.subject = 'ada'
    })
    await app.request(async session => {
      await app.sessions.removeBySubject('ada')
      await session.create()
      expect(session.subject).toBeNull()
    })
    expect(await app.sessions.list('ada')).toEqual([])
    expect(app.cookie).not.toBe('')
  })
})

it.each(['save', 'create'] as const)('%s() after the commit tells the hook `error` its name', async name => {
  const told: unknown[] = []
  const app = bench({ hooks: { error: (_error, method) => void told.push(method) } })
  const session = app.sessions.open()
  session.set('a', 1)
  await app.sessions.commit(session, { status: 200 })
  expect(await codeOf(() => session[name]())).toBe('SESSION_COMMITTED')
  expect(told).toEqual([name])
})
