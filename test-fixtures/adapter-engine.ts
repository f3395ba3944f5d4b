import { createSessions, type Sessions, type SessionsOptions } from '@sess/core'
import type { WithSessions } from '@sess/core/adapter'
import { cacheStore } from '@sess/store-cache'
import { describe, expect, it } from 'vitest'

/**
 * Registers the cases of `.sessions`, the engine of an adapter's middleware.
 *
 * @param session the adapter's `session`
 * @param logIn sends a request with these headers to an app with the middleware, whose handler sets `session.subject` to 'ada'
 * @param ip the address that the adapter finds
 */
export function describeEngine<Middleware extends WithSessions>(
  session: (options: SessionsOptions | Sessions) => Middleware,
  logIn: (middleware: Middleware, headers: Record<string, string>) => Promise<void>,
  ip: string | undefined,
): void {
  describe('the middleware has its engine', () => {
    it('as `sessions`, which finds what a request saved, and cannot be replaced', async () => {
      const sess = session({ store: cacheStore() })
      await logIn(sess, {})
      const info = await Array.fromAsync(sess.sessions.scanBySubject('ada'))
      expect(info.map(({ subject }) => subject)).toEqual(['ada'])
      expect(() => Object.assign(sess, { sessions: undefined })).toThrow(TypeError)
    })

    it(`which notes the user agent and ${ip ? 'the' : 'no'} address at a login, with \`devices: true\``, async () => {
      const sess = session({ store: cacheStore(), devices: true })
      await logIn(sess, { 'user-agent': 'Firefox' })
      const [device] = await sess.sessions.list('ada')
      expect(device?.device).toEqual({ userAgent: 'Firefox', ...(ip && { ip }) })
    })

    it('the one that was given', () => {
      const sessions = createSessions({ store: cacheStore() })
      expect(session(sessions).sessions).toBe(sessions)
    })
  })
}
