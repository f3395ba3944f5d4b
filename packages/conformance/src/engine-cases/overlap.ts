import { equal, fail, oneOf } from '../check.ts'
import type { StoreCase } from '../store-fixture.ts'
import { type AnySession, type Browser, dataOf, engineOver, loggedIn } from './browser.ts'
import { everyInterleaving } from './interleave.ts'

/** Requests of one session that overlap, in every order of their store calls, each request in a process of its own. */
export const overlapCases: readonly StoreCase[] = [
  {
    id: 'engine/overlap-different-keys',
    title: 'two overlapping requests that set different keys lose neither [F16]',
    rule: 'No lost updates: different keys merge.',
    source: 'docs/design.md#saving, docs/requirements.md#f16',
    why: 'What was put into the cart in one tab would vanish because of another tab.',
    async run(f) {
      const sessions = engineOver(f)
      await everyInterleaving(f, async () => {
        const browser = await loggedIn(sessions, { a: 0 })
        const set = (key: string) => async (store: typeof f.store) => {
          const { code } = await browser.visit(engineOver(f, { store }), session => session.set(key, 1))
          equal(code, 'ok', `the outcome of the request that sets ${key}`)
        }
        return {
          requests: [set('b'), set('c')],
          check: async () =>
            equal(await dataOf(sessions, browser), { a: 0, b: 1, c: 1 }, 'the data after both'),
        }
      })
    },
  },
  {
    id: 'engine/overlap-update',
    title: 'overlapping updates and pushes of one key lose nothing [F16]',
    rule: 'update(fn) runs again on the fresh value; arrays that both only appended to are joined.',
    source: 'docs/design.md#saving, docs/requirements.md#f16',
    why: 'Two clicks on "add to cart" would add one item.',
    async run(f) {
      const sessions = engineOver(f)
      await everyInterleaving(f, async () => {
        const browser = await loggedIn(sessions, { count: 0, list: [] })
        const add = (item: string) => async (store: typeof f.store) => {
          const { code } = await browser.visit(engineOver(f, { store }), session => {
            session.update('count', count => (count as number) + 1)
            ;(session.get('list') as string[]).push(item)
          })
          equal(code, 'ok', 'the outcome of a request that adds')
        }
        return {
          requests: [add('x'), add('y')],
          check: async () => {
            const data = await dataOf(sessions, browser)
            equal(data?.['count'], 2, 'the count after two increments')
            equal(
              [...((data?.['list'] as string[]) ?? [])].sort(),
              ['x', 'y'],
              'the list after two pushes, sorted',
            )
          },
        }
      })
    },
  },
  {
    id: 'engine/many-writers',
    title:
      'thirty requests at once, or as many as a slow store lets through in time, that set and count lose nothing [F16]',
    rule: 'Time is the bound, not a count: all writers succeed.',
    source: 'docs/design.md#saving, docs/requirements.md#f16',
    why: 'A page that sends many requests at once would lose some of what they save.',
    async run(f) {
      const sessions = engineOver(f)
      const other = engineOver(f, { store: f.other })
      const browser = await loggedIn(sessions, { count: 0 })
      const count = Math.max(4, Math.min(30, Math.floor(f.callTimeout / (3 * (await f.pace())))))
      const codes = await Promise.all(
        Array.from({ length: count }, async (_, n) => {
          const { code } = await browser.copy().visit(n % 2 ? sessions : other, session => {
            session.set(`key${n}`, n)
            session.update('count', before => (before as number) + 1)
          })
          return code
        }),
      )
      equal(
        codes.filter(code => code !== 'ok'),
        [],
        'the outcomes of the requests that did not succeed',
      )
      const data = (await dataOf(sessions, browser)) ?? fail('the session to be there', 'there was none')
      equal(data['count'], count, 'the count')
      equal(Object.keys(data).length, count + 1, 'the number of keys')
    },
  },
  {
    id: 'engine/overlap-logout-save',
    title: 'a logout that overlaps a save is never undone [C1, F17]',
    rule: 'No resurrected sessions: a session that was flushed is never written back.',
    source:
      'docs/requirements.md#c1, docs/requirements.md#f17, docs/requirements.md#i1; CVE-2025-46336 rack-session',
    why: 'The session would live on after logging out.',
    async run(f) {
      const sessions = engineOver(f)
      await everyInterleaving(f, async () => {
        const browser = await loggedIn(sessions, { user: 'ann' })
        const thief = browser.copy()
        let saved = ''
        return {
          requests: [
            async store => {
              const { code } = await browser.visit(engineOver(f, { store }), session => session.flush())
              equal(code, 'ok', 'the outcome of the logout')
            },
            async store => {
              const slow = thief.copy()
              const visited = await slow.visit(engineOver(f, { store }), session => {
                // Its load may have come after the logout: then this is a session of its own, without the user.
                if (session.get('user') === undefined) return
                session.set('late', 1)
              })
              saved = visited.code
            },
          ],
          check: async () => {
            oneOf(saved, ['ok', 'SESSION_INTERRUPTED'], 'the outcome of the save')
            equal(await dataOf(sessions, thief), null, 'what the key leads to after the logout')
          },
        }
      })
    },
  },
  {
    id: 'engine/overlap-logout-touch',
    title:
      'a logout that overlaps a visit which extends the session is never undone, nor does the visit fail [C1]',
    rule: 'touch: refused means no cookie and no error.',
    source: 'docs/requirements.md#c1, docs/requirements.md#f17; connect-redis 328, spring-session 1111',
    why: 'A page that polls would keep the session alive, or show errors, after logging out.',
    async run(f) {
      const options = { saveEveryRequest: true }
      const sessions = engineOver(f, options)
      await everyInterleaving(f, async () => {
        const browser = await loggedIn(sessions, { user: 'ann' })
        const thief = browser.copy()
        let touched = ''
        await f.clock.advance(f.clock.exact ? 1_000 : 0)
        return {
          requests: [
            async store => void (await browser.visit(engineOver(f, { store }), session => session.flush())),
            async store => {
              const slow = thief.copy()
              const visited = await slow.visit(engineOver(f, { store, ...options }), session =>
                session.get('user'),
              )
              touched = visited.code
            },
          ],
          check: async () => {
            equal(touched, 'ok', 'the outcome of the visit')
            equal(await dataOf(sessions, thief), null, 'what the key leads to after the logout')
          },
        }
      })
    },
  },
  {
    id: 'engine/overlap-rotation-save',
    title: 'a save that overlaps a rotation is in the rotated session, or fails with 400 [C2, F17]',
    rule: 'Never two keys that authenticate, and never a save that was told ok and lost.',
    source:
      'docs/design.md#rotation, docs/requirements.md#c2, docs/requirements.md#f17, docs/requirements.md#i1; spring-session 1270',
    why: 'What was saved during login would be lost without a word.',
    async run(f) {
      const sessions = engineOver(f)
      await everyInterleaving(f, async () => {
        const browser = await loggedIn(sessions, { cart: 1 })
        const before = browser.copy()
        const late = browser.copy()
        let saved = ''
        return {
          requests: [
            async store => {
              const { code } = await browser.visit(engineOver(f, { store }), session => {
                session.cycleKey()
                session.set('user', 'ann')
              })
              equal(code, 'ok', 'the outcome of the login')
            },
            async store => {
              const visited = await late.visit(engineOver(f, { store }), session => session.set('late', 1))
              saved = visited.code
            },
          ],
          check: async () => {
            oneOf(saved, ['ok', 'SESSION_INTERRUPTED'], 'the outcome of the save')
            const data = await dataOf(sessions, browser)
            equal(
              data,
              saved === 'ok' ? { cart: 1, late: 1, user: 'ann' } : { cart: 1, user: 'ann' },
              'the data',
            )
            const old = await before.visit(sessions, session => session.get('cart'))
            equal(old.result, undefined, 'what the old key shows')
          },
        }
      })
    },
  },
  {
    id: 'engine/overlap-rotations',
    title: 'of two overlapping rotations one wins, and one key authenticates [C2, F17]',
    rule: 'A marker already: remove the new record, SessionInterruptedError. Never two ids that authenticate.',
    source:
      'docs/requirements.md#c2, docs/requirements.md#f17, docs/requirements.md#i1; spring-session 1270, express-session 923',
    why: 'A double click on "log in" would leave two sessions, or none.',
    async run(f) {
      const sessions = engineOver(f)
      await everyInterleaving(f, async () => {
        const start = await loggedIn(sessions, { cart: 1 })
        const browsers = [start.copy(), start.copy()]
        const codes: string[] = []
        const rotate = (browser: Browser) => async (store: typeof f.store) => {
          const { code } = await browser.visit(engineOver(f, { store }), session => {
            if (session.get('cart') === undefined) return
            session.cycleKey()
            session.set('user', 'ann')
          })
          codes.push(code)
        }
        return {
          requests: browsers.map(rotate),
          check: async () => {
            for (const code of codes) oneOf(code, ['ok', 'SESSION_INTERRUPTED'], 'the outcome of a rotation')
            const shown = await Promise.all(browsers.map(browser => dataOf(sessions, browser)))
            const live = shown.filter(data => data?.['user'] === 'ann')
            equal(live.length, 1, 'the number of browsers whose key authenticates')
            const old = await start.copy().visit(sessions, session => session.get('cart'))
            equal(old.result, undefined, 'what the old key shows')
          },
        }
      })
    },
  },
  {
    id: 'engine/overlap-rotation-logout',
    title: 'a logout wins over a rotation that it overlaps [F17]',
    rule: 'flush removes at a version: logout wins over rotation.',
    source:
      'docs/design.md#rotation, docs/requirements.md#f17, docs/requirements.md#a24, docs/requirements.md#i1',
    why: 'Logging out while a login in another tab is under way would leave the session alive.',
    async run(f) {
      const sessions = engineOver(f)
      await everyInterleaving(f, async () => {
        const start = await loggedIn(sessions, { user: 'ann' })
        const rotating = start.copy()
        const leaving = start.copy()
        let flushed = false
        return {
          requests: [
            async store => {
              const { code } = await rotating.visit(engineOver(f, { store }), session => {
                if (session.get('user') !== undefined) session.cycleKey()
              })
              oneOf(code, ['ok', 'SESSION_INTERRUPTED'], 'the outcome of the rotation')
            },
            async store => {
              const { code } = await leaving.visit(engineOver(f, { store }), session => {
                flushed = true
                session.flush()
              })
              equal(code, 'ok', 'the outcome of the logout')
            },
          ],
          check: async () => {
            equal(flushed, true, 'whether the logout ran')
            equal(await dataOf(sessions, start.copy()), null, 'what the old key leads to')
            if (rotating.key === start.key) return
            equal(await dataOf(sessions, rotating), null, 'what the rotated key leads to')
          },
        }
      })
    },
  },
  {
    id: 'engine/slow-after-end',
    title:
      'a slow request that responds after a login or logout does not send the old cookie again [A26, F18]',
    rule: 'A cookie is sent only for a key that the store has confirmed in this commit.',
    source: 'docs/design.md#rotation, docs/requirements.md#a26, docs/requirements.md#f18',
    why: 'A slow page would log out whoever has just logged in, or bring the cookie back after a logout.',
    async run(f) {
      const ends = {
        login: (session: AnySession) => {
          session.cycleKey()
          session.set('user', 'bob')
        },
        logout: (session: AnySession) => session.flush(),
      }
      const slowly = {
        reads: (session: AnySession) => void session.get('user'),
        'saves by itself': async (session: AnySession) => {
          session.set('slow', 1)
          await session.save()
        },
      }
      // An idle expiry, a fixed moment, and an absolute limit that comes before the idle one.
      for (const options of [{}, { absoluteAge: 600 }])
        for (const expiry of [null, { minutes: 5 }])
          for (const [end, handler] of Object.entries(ends))
            for (const [does, slow] of Object.entries(slowly)) {
              const sessions = engineOver(f, { saveEveryRequest: true, ...options })
              const browser = await loggedIn(sessions, { user: 'ann' })
              await browser.visit(sessions, session => {
                session.setExpiry(expiry)
                session.subject = 'ann'
              })
              const late = await browser.copy().visit(sessions, async session => {
                await slow(session)
                await browser.visit(sessions, handler)
              })
              const what = `of a request that ${does}, after a ${end}, with ${JSON.stringify({ ...options, expiry })}`
              equal(late.code, 'ok', `the outcome ${what}`)
              equal(late.setCookies, [], `the cookies ${what}`)
            }
    },
  },
  {
    id: 'engine/late-after-rotation',
    title: 'a late request with the old cookie has no session, and leaves the new cookie alone [A26, F18]',
    rule: 'Reading a marker: an empty session, and the browser’s new cookie is left alone. Writing: interrupted.',
    source:
      'docs/design.md#rotation, docs/requirements.md#a26, docs/requirements.md#f18; without it 100 of 100 logins log out',
    why: 'Pages that send several requests would log themselves out at login.',
    async run(f) {
      const sessions = engineOver(f)
      const browser = await loggedIn(sessions, { user: 'ann' })
      const late = browser.copy()
      await browser.visit(sessions, session => session.cycleKey())
      const read = await late.copy().visit(sessions, session => session.get('user'))
      equal(read.result, undefined, 'the user that a late request sees')
      equal(read.setCookies, [], 'the cookies of its answer')
      const write = await late.copy().visit(sessions, session => session.set('x', 1))
      equal(write.code, 'SESSION_INTERRUPTED', 'the outcome of a late request that writes')
      equal(await dataOf(sessions, browser), { user: 'ann' }, 'the data of the rotated session')
      const leaving = late.copy()
      await leaving.visit(sessions, session => session.flush())
      equal(await dataOf(sessions, browser), null, 'the rotated session after a late request logged out')
    },
  },
]
