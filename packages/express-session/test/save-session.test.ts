import { createSessions } from '@sess/core'
import { saveSession } from '@sess/core/adapter'
import { cacheStore } from '@sess/store-cache'
import { down, intercept } from '@sess/test-fixtures/intercepted-store.ts'
import { describe, expect, it } from 'vitest'

describe('saveSession', () => {
  it('returns no promise over a store that returns none, and has saved', async () => {
    const sessions = createSessions({ store: cacheStore() })
    const session = sessions.openKey('a key', { isNew: true })
    session.set('n', 1)
    expect(saveSession(session, { mustCreate: true })).toBeUndefined()
    session.set('n', 2)
    expect(saveSession(session)).toBeUndefined()
    const again = sessions.openKey('a key')
    await again.load()
    expect(again.get('n')).toBe(2)
  })

  it('throws what the store throws', () => {
    const store = intercept(cacheStore())
    const session = createSessions({ store }).openKey('a key', { isNew: true })
    session.set('n', 1)
    store.before = () => down()
    expect(() => saveSession(session)).toThrow(expect.objectContaining({ code: 'SESSION_STORE' }))
  })

  it('returns a promise over a store that waits, and rejects changes meanwhile', async () => {
    const store = intercept(cacheStore())
    const session = createSessions({ store }).openKey('a key', { isNew: true })
    session.set('n', 1)
    store.before = () => new Promise<void>(resolve => setImmediate(resolve))
    const saving = saveSession(session)
    expect(saving).toBeInstanceOf(Promise)
    expect(() => session.set('n', 2)).toThrow()
    await saving
    expect(() => session.set('n', 2)).not.toThrow()
  })
})
