import { memoryStore } from '@sess/conformance'
import { describe, expect, it } from 'vitest'
import type { OpenOptions, Session, SessionsOptions } from '../src/index.ts'
import { createSessions } from '../src/index.ts'
import { counted, keep } from './support.ts'

/** With these the record of a rotated session names the one before it. */
const NAMES_THE_OLD = ['maxSessions', "reuse: 'report'", "reuse: 'end-all'"]
const ROTATED = '{"n":3}'

/** What a browser does, with what each request costs: the store's calls, and the first payload that it gets. */
const WAY: [what: string, handle: (session: Session) => unknown, calls: string[], payload?: string][] = [
  ['no cookie, untouched', () => undefined, []],
  ['no cookie, read', session => session.get('n'), []],
  ['new', session => session.set('n', 1), ['insert'], '{"n":1}'],
  ['untouched', () => undefined, ['read']],
  ['read', session => session.get('n'), ['read']],
  ['write', session => session.set('n', 2), ['read', 'replace'], '{"n":2}'],
  ['update', session => session.update('n', n => n + 1), ['read', 'replace'], '{"n":3}'],
  ['written as it was', session => session.get('n'), ['read']],
  ['rotated', session => session.cycleKey(), ['read', 'insert', 'replace'], ROTATED],
  ['read under the new key', session => session.get('n'), ['read']],
  ['logout', session => session.flush(), ['read', 'remove']],
  ['untouched after the logout', () => undefined, []],
]

/** Options that are set, and that no request of the way above uses: nobody has a subject, and all come by cookie. */
const UNUSED: Record<string, Partial<SessionsOptions>> = {
  'no options': {},
  maxSessions: { maxSessions: { count: 1, then: 'end-oldest' } },
  devices: { devices: true },
  "reuse: 'report'": { reuse: 'report' },
  "reuse: 'end-all'": { reuse: 'end-all' },
  background: { background: ['/poll'] },
  notBefore: { notBefore: () => Date.now() },
  carrier: { carrier: { header: 'x-session', cookie: true } },
  'cookie.byRequest': { cookie: { byRequest: () => ({ sameSite: 'strict' }) } },
  'cookie.isolate': { cookie: { isolate: 'acme' } },
  adopt: { adopt: [() => null] },
  onConflict: { onConflict: 'error' },
  hooks: { hooks: { conflict: () => undefined, reused: () => undefined, interrupted: () => undefined } },
}

describe('nothing is paid for an option that a request does not use [I4]', () => {
  it.each(Object.keys(UNUSED))('%s', async name => {
    const calls: string[] = []
    const payloads: string[] = []
    const sessions = createSessions({ ...UNUSED[name], store: counted(memoryStore(), calls, payloads) })
    const client: OpenOptions = {
      header: () => null,
      request: {},
      target: () => ({ host: 'shop.example', path: '/cart' }),
      device: () => ({ userAgent: 'a browser', ip: '127.0.0.1' }),
    }
    const cost: unknown[] = []
    let cookie = ''
    for (const [what, handle] of WAY) {
      const session = sessions.open(cookie, client)
      await session.load()
      await handle(session)
      const { setCookies } = await sessions.commit(session, { status: 200 })
      cookie = keep(cookie, setCookies)
      cost.push([what, calls.splice(0), payloads.splice(0)[0]])
    }
    const rotated = NAMES_THE_OLD.includes(name) ? expect.stringContaining('"_session_rotation":') : ROTATED
    expect(cost).toEqual(
      WAY.map(([what, , calls, payload]) => [what, calls, what === 'rotated' ? rotated : payload]),
    )
  })
})
