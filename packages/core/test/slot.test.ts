import { memoryStore } from '@sess/conformance'
import { describe, expect, it } from 'vitest'
import { SessionSlot } from '../src/adapter.ts'
import { createSessions } from '../src/index.ts'

describe('F38: where a session is on a request', () => {
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
      /`session` .*not of Sess.*another `property`/,
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
})
