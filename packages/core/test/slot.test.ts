import { memoryStore } from '@sess/conformance'
import { describe, expect, it } from 'vitest'
import { createSessions, SessionSlot } from '../src/index.ts'

describe('F38: where a session is on a request', () => {
  it('a second middleware of one engine finds the session of the first', () => {
    const sessions = createSessions({ store: memoryStore() })
    const request: Record<string, unknown> = {}
    const first = new SessionSlot(sessions, 'session')
    expect(first.reuse(request)).toBe(false)
    const session = sessions.open()
    first.fill(request, session)
    expect(first.reuse(request)).toBe(true)
    expect(new SessionSlot(sessions, 'other').reuse(request)).toBe(true)
    expect([request['session'], request['other']]).toEqual([session, session])
  })

  it('two engines need two properties', () => {
    const request = {}
    const [one, two] = [createSessions({ store: memoryStore() }), createSessions({ store: memoryStore() })]
    new SessionSlot(one, 'session').fill(request, one.open())
    expect(() => new SessionSlot(two, 'session').reuse(request)).toThrow(
      expect.objectContaining({ code: 'CONFIG', option: 'property' }),
    )
    expect(new SessionSlot(two, 'admin').reuse(request)).toBe(false)
  })
})
