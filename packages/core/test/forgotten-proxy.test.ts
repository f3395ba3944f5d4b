import { expect, it, vi } from 'vitest'
import { type CookieOptions, createSessions, type WarningEvent } from '../src/index.ts'
import { bench } from './support.ts'

/** Logs a visitor in, and returns what the `warning` hook was told. */
function engine(cookie: CookieOptions = {}) {
  const told: WarningEvent[] = []
  const hooks = { warning: (event: WarningEvent) => void told.push(event) }
  const sessions = createSessions({ store: bench().store, cookie, hooks })
  const login = async (secure: boolean | undefined, forwardedProto?: string) => {
    const session = sessions.open()
    session.set('userId', 42)
    await sessions.commit(session, { status: 200, secure, target: () => ({ forwardedProto }) })
  }
  return { sessions, told, login }
}

it('a cookie that is set over http, by a request that a proxy got over https, is a `warning` event', async () => {
  const { told, login } = engine()
  await login(false, 'https')
  expect(told).toHaveLength(1)
  expect(told[0]).toMatchObject({ reason: 'trust-proxy' })
  expect(told[0]!.message).toMatch(/trust proxy.*docs\/running\.md/s)
})

it('the event comes once for an engine', async () => {
  const { told, login } = engine()
  await login(false, 'https')
  await login(false, 'https, http')
  expect(told).toHaveLength(1)
  const other = engine()
  await other.login(false, 'HTTPS, http')
  expect(other.told).toHaveLength(1)
})

it.each<[string, boolean | undefined, string | undefined, CookieOptions]>([
  ['over https', true, 'https', {}],
  ['where the adapter does not say', undefined, 'https', {}],
  ['that a proxy got over http', false, 'http', {}],
  ['without a proxy', false, undefined, {}],
  ['whose cookie is not Secure by choice', false, 'https', { secure: false }],
  ['whose cookie is always Secure', false, 'https', { secure: true }],
])('a request %s is no event', async (_, secure, proto, cookie) => {
  const { told, login } = engine(cookie)
  await login(secure, proto)
  expect(told).toEqual([])
})

it('a request that sets no cookie is not asked for its headers', async () => {
  const { sessions } = engine()
  const target = vi.fn(() => ({ forwardedProto: 'https' }))
  const session = sessions.open()
  session.get('userId')
  await sessions.commit(session, { status: 200, secure: false, target })
  expect(target).not.toHaveBeenCalled()
})
