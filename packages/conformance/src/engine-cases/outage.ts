import { equal, ok } from '../check.ts'
import { withoutMeans } from '../means.ts'
import type { StoreCase } from '../store-fixture.ts'
import { Browser, engineOver, loggedIn } from './browser.ts'

export const outageCases: readonly StoreCase[] = [
  {
    id: 'engine/outage',
    title: 'an outage is a 503 and changes nobody’s cookie; the session is there again after it [F1, F2, I5]',
    rule: 'An outage never looks like "no session".',
    source: 'docs/requirements.md#f1, docs/requirements.md#f2, docs/requirements.md#i5',
    why: 'A restart of the database would log every visitor out.',
    skip: withoutMeans('outage'),
    async run(f) {
      const sessions = engineOver(f, { timeout: f.callTimeout })
      const browser = await loggedIn(sessions, { user: 'ann' })
      const { key } = browser
      const saving = browser.copy()
      const leaving = browser.copy()
      const open = async (own: Browser) => {
        const session = sessions.open(own.header)
        await session.load()
        return session
      }
      const [save, leave] = [await open(saving), await open(leaving)]
      save.set('late', 1)
      leave.flush()
      const commit = async (session: typeof save) => {
        try {
          await sessions.commit(session, { status: 200 })
          return 'ok'
        } catch (error) {
          return (error as { code?: string }).code
        }
      }
      await f.breakBackend?.()
      try {
        const read = await browser.visit(sessions, session => session.get('user'))
        equal(read.code, 'SESSION_STORE', 'the outcome of a request that reads')
        equal(await commit(save), 'SESSION_STORE', 'the outcome of a commit that saves')
        equal(await commit(leave), 'SESSION_STORE', 'the outcome of a commit that logs out')
        const none = await new Browser().visit(sessions, session => session.isEmpty)
        equal(none.code, 'ok', 'the outcome of a request without a cookie')
      } finally {
        await f.healBackend?.()
      }
      equal(browser.key, key, 'the cookie')
      for (const until = Date.now() + f.callTimeout; ; ) {
        const read = await browser.visit(sessions, session => session.get('user'))
        if (read.code === 'ok') return equal(read.result, 'ann', 'the user after the outage')
        ok(Date.now() < until, 'the session to be readable after the outage', `it was still ${read.code}`)
        await new Promise(resolve => setTimeout(resolve, 20))
      }
    },
  },
]
