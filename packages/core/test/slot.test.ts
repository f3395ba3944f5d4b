import { memoryStore } from '@sess/conformance'
import { describe, expect, it } from 'vitest'
import { SessionSlot } from '../src/adapter.ts'
import { createSessions, type Store } from '../src/index.ts'

/** A store in memory, and the names of its calls. */
function counted(): { store: Store; calls: string[] } {
  const calls: string[] = []
  const store = memoryStore()
  const { read, insert } = store
  store.read = (...args) => {
    calls.push('read')
    return read.apply(store, args)
  }
  store.insert = (...args) => {
    calls.push('insert')
    return insert.apply(store, args)
  }
  return { store, calls }
}

describe('where a session is on a request [F38]', () => {
  it('a second middleware of one engine finds the session of the first', () => {
    const sessions = createSessions({ store: memoryStore() })
    const request: Record<string, unknown> = {}
    const first = new SessionSlot(sessions)
    const session = first.open(request)!
    expect(first.open(request)).toBeUndefined()
    expect(new SessionSlot(sessions, { property: 'other' }).open(request)).toBeUndefined()
    expect(request['session']).toBe(session)
    expect(request['other']).toBe(session)
  })

  it('two engines need two properties and two cookies', () => {
    const request: Record<string, unknown> = {}
    const make = (name: string) => createSessions({ store: memoryStore(), cookie: { name } })
    const [one, two] = [make('one'), make('two')]
    const session = new SessionSlot(one).open(request)
    const refused = (option: string) => expect.objectContaining({ code: 'CONFIG', option })
    expect(() => new SessionSlot(two).open(request)).toThrow(refused('property'))
    expect(new SessionSlot(two, { property: 'admin' }).open(request) === request['admin']).toBe(true)
    expect(request['session']).toBe(session)
    expect(request['admin'] === session).toBe(false)
    expect(() => new SessionSlot(make('one'), { property: 'third' }).open(request)).toThrow(
      refused('cookie.name'),
    )
    // Nor may an engine that is on the request take the property of another.
    expect(() => new SessionSlot(one, { property: 'admin' }).open(request)).toThrow(refused('property'))
  })

  it.each([[null], [undefined]])('a property that holds %s is free: frameworks declare it so', empty => {
    const request: Record<string, unknown> = { session: empty }
    const slot = new SessionSlot({ store: memoryStore() })
    const session = slot.open(request)
    expect(session).toBeDefined()
    expect(request['session']).toBe(session)
  })

  it('what the application itself keeps under the property is not overwritten, and the message says whose it is', () => {
    const slot = new SessionSlot({ store: memoryStore() })
    expect(() => slot.open({ session: { theirs: true } })).toThrow(
      /`session` .*did not put there.*another `property`/,
    )
  })

  it('a session cannot be replaced, least of all by null', () => {
    const request: Record<string, unknown> = {}
    const slot = new SessionSlot({ store: memoryStore() })
    const session = slot.open(request)
    expect(() => {
      request['session'] = null
    }).toThrow(/`session` .*`flush\(\)`/)
    expect({ ...request }['session']).toBe(session)
  })

  it.each([undefined, null, 's', 5, {}])('no engine can be made of %j', options => {
    expect(() => new SessionSlot(options as never)).toThrow(expect.objectContaining({ code: 'CONFIG' }))
  })

  it.each([
    ['propery', { propery: 'x' }],
    ['property', { property: 5 }],
    ['property', { property: '' }],
    ['property', { property: null }],
    ['property', 'admin'],
    ['property', 5],
  ])('a wrong place is an error that names %s: %j', (option, place) => {
    const sessions = createSessions({ store: memoryStore() })
    expect(() => new SessionSlot(sessions, place as never)).toThrow(
      expect.objectContaining({ code: 'CONFIG', option }),
    )
  })

  describe('begin', () => {
    const answers = { setCookies: [expect.stringMatching(/^sessionid=/)], vary: true, private: true }

    it('opens the session, starts its load, and commits it with the status that leaves', async () => {
      const { store, calls } = counted()
      const slot = new SessionSlot({ store })
      const first = slot.begin({}, null, {})!
      expect(first.ready).toBeUndefined()
      first.session.set('n', 1)
      const { commit } = first
      expect(await commit(200)).toEqual(answers)

      const request: Record<string, unknown> = {}
      const second = slot.begin(request, `sessionid=${first.session.sessionKey}`, {})!
      expect(calls).toEqual(['insert', 'read'])
      await second.ready
      expect([request['session'] === second.session, second.session.get('n')]).toEqual([true, 1])
      second.session.set('n', 2)
      expect((await second.commit(500)).setCookies).toEqual([])
      expect(calls).toEqual(['insert', 'read'])
    })

    it('tells the commit of the connection', async () => {
      const slot = new SessionSlot({ store: memoryStore() })
      const begun = slot.begin({}, null, { secure: () => false })!
      begun.session.set('n', 1)
      expect((await begun.commit(200)).setCookies[0]).not.toMatch(/secure/i)
    })

    it('loads nothing with `lazy`', () => {
      const { store, calls } = counted()
      const slot = new SessionSlot({ store, lazy: true })
      expect(slot.begin({}, `sessionid=${'a'.repeat(32)}`, {})!.ready).toBeUndefined()
      expect(calls).toEqual([])
    })

    it('returns undefined where the engine has a session already', () => {
      const request = {}
      const slot = new SessionSlot({ store: memoryStore() })
      slot.open(request)
      expect(slot.begin(request, null, {})).toBeUndefined()
    })

    it('shows a failed load when the handler uses the session', async () => {
      const { store } = counted()
      store.read = () => Promise.reject(new Error('down'))
      const { session, ready } = new SessionSlot({ store }).begin({}, `sessionid=${'a'.repeat(32)}`, {})!
      await ready
      expect(() => session.get('n')).toThrow(expect.objectContaining({ code: 'SESSION_STORE' }))
    })
  })
})
