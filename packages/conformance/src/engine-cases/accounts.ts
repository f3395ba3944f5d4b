import type { SessionsOptions, Store } from '@sess/core'
import { equal, ok, oneOf } from '../check.ts'
import { type StoreCase, type StoreFixture, without } from '../store-fixture.ts'
import { type AnySession, Browser, dataOf, engineOver, loggedIn } from './browser.ts'
import { everyInterleaving } from './interleave.ts'

/** The sessions of one user: the list of devices, the limit, and keys that were rotated long ago. */
const logIn = (subject: string) => (session: AnySession) => {
  session.cycleKey()
  session.subject = subject
}

const skip = without('scanBySubject')

export const accountCases: readonly StoreCase[] = [
  {
    id: 'engine/log-out-everywhere',
    title: 'removeBySubject ends the user’s sessions, and scanBySubject lists them [A24]',
    rule: 'Ends all, or all other, sessions of a subject.',
    source: 'docs/requirements.md#a24, docs/requirements.md#a25; ASVS5 7.4.2, 7.4.3, 7.5.2',
    why: 'A user who lost her phone could not end its session.',
    skip: without('removeBySubject', 'scanBySubject'),
    async run(f) {
      const sessions = engineOver(f)
      const user = `user-${f.id()}`
      const phone = await loggedIn(sessions, { on: 'phone' }, user)
      const laptop = await loggedIn(sessions, { on: 'laptop' }, user)
      const other = await loggedIn(sessions, { on: 'elsewhere' }, `${user}x`)
      await phone.visit(sessions, session => session.cycleKey())
      const shown: unknown[] = []
      for await (const info of sessions.scanBySubject(user)) shown.push((info.data as { on?: string }).on)
      equal(shown.sort(), ['laptop', 'phone'], 'what scanBySubject() lists, a rotated session once')
      const removed = await laptop.visit(sessions, session =>
        sessions.removeBySubject(user, { except: session }),
      )
      equal(removed.result, 1, 'the answer of removeBySubject() with except')
      equal(await dataOf(sessions, phone), null, 'the session on the phone')
      equal((await dataOf(sessions, laptop))?.['on'], 'laptop', 'the session on the laptop')
      equal(await sessions.removeBySubject(user), 1, 'the answer of removeBySubject()')
      equal(await dataOf(sessions, laptop), null, 'the session on the laptop after that')
      equal((await dataOf(sessions, other))?.['on'], 'elsewhere', 'the session of another user')
    },
  },
  {
    id: 'engine/log-out-everywhere-then-set',
    title:
      'the request that logs out everywhere ends logged out, and what it sets then is a new session [A24]',
    rule: 'removeBySubject of a subject that the asking request’s session has ends that session as flush does.',
    source: 'docs/design.md#subject, docs/requirements.md#a24',
    why: 'The visitor who pressed "log out everywhere" would get an error page.',
    skip: without('removeBySubject'),
    async run(f) {
      const sessions = engineOver(f)
      const user = `user-${f.id()}`
      const [here, there] = [
        await loggedIn(sessions, { user }, user),
        await loggedIn(sessions, { user }, user),
      ]
      const before = here.copy()
      const { code } = await here.visit(sessions, async session => {
        session.set('dropped', 1)
        await sessions.removeBySubject(user)
        session.set('notice', 'logged out everywhere')
      })
      equal(code, 'ok', 'the outcome of the request that logs out everywhere')
      ok(here.key !== before.key, 'a new key', 'it is the old one')
      equal(await dataOf(sessions, here), { notice: 'logged out everywhere' }, 'the data after it')
      equal(await dataOf(sessions, before), null, 'what the old key leads to')
      equal(await dataOf(sessions, there), null, 'the session in another browser')
    },
  },
  {
    id: 'engine/overlap-everywhere',
    title: 'log-out-everywhere wins over saves and rotations in flight [A24, F17]',
    rule: 'Wins against saves and logins in flight.',
    source: 'docs/requirements.md#a24, docs/requirements.md#f17, docs/requirements.md#i1; ASVS5 7.4.5',
    why: 'A thief who keeps clicking would stay logged in.',
    skip: without('removeBySubject'),
    async run(f) {
      const sessions = engineOver(f)
      await everyInterleaving(
        f,
        async () => {
          const user = `user-${f.id()}`
          const thief = await loggedIn(sessions, { user }, user)
          const second = thief.copy()
          return {
            requests: [
              async store => void (await engineOver(f, { store }).removeBySubject(user)),
              async store => {
                const { code } = await thief.visit(engineOver(f, { store }), session => {
                  if (session.get('user') !== undefined) session.cycleKey()
                })
                oneOf(code, ['ok', 'SESSION_INTERRUPTED'], 'the outcome of the rotation')
              },
              async store => {
                const { code } = await second.visit(engineOver(f, { store }), session => {
                  if (session.get('user') !== undefined) session.set('late', 1)
                })
                oneOf(code, ['ok', 'SESSION_INTERRUPTED'], 'the outcome of the save')
              },
            ],
            check: async () => {
              for (const browser of [thief, second]) {
                const data = await dataOf(sessions, browser)
                equal(data?.['user'], undefined, 'the user that a browser still shows')
              }
              equal(await sessions.removeBySubject(user), 0, 'the number of sessions that were left')
            },
          }
        },
        100,
      )
    },
  },
  {
    id: 'engine/devices',
    title: 'a device is in the list of its user, and is ended by the id that the list shows [A24]',
    rule: 'sessions.list(subject, { current }) and sessions.end(id, { subject }).',
    source: 'docs/design.md#devices; ASVS5 7.5.2',
    why: 'The page "your devices" would not show the thief’s session, or could not end it.',
    skip,
    async run(f) {
      const sessions = engineOver(f)
      const ann = f.id()
      const phone = await loggedIn(sessions, { on: 'phone' }, ann)
      const laptop = await loggedIn(sessions, { on: 'laptop' }, ann)
      await loggedIn(sessions, { on: 'phone' }, `${ann}0`)
      const current = sessions.open(laptop.header)
      await current.load()
      const other = engineOver(f, { store: f.other })
      const list = await other.list(ann, { current })
      const shown = list.map(({ data, current, subject }) => [data['on'], current, subject])
      equal(
        shown.sort(),
        [
          ['laptop', true, ann],
          ['phone', false, ann],
        ],
        'the list of the devices',
      )
      const { id } = list.find(({ data }) => data['on'] === 'phone') ?? { id: '' }
      equal(await other.end(id, { subject: `${ann}0` }), false, 'whether another user can end it')
      equal(await other.end(id, { subject: ann }), true, 'whether its user can end it')
      equal(await dataOf(sessions, phone), null, 'what the ended device finds')
      equal((await dataOf(sessions, laptop))?.['on'], 'laptop', 'what the other device finds')
      equal((await sessions.list(ann)).length, 1, 'the number of devices that are left')
    },
  },
  {
    id: 'engine/overlap-end-device',
    title: 'a device that is ended never works again, whatever it does at the moment [A24, F17]',
    rule: 'A session that ended while a request was running is never written back.',
    source: 'docs/design.md#devices, docs/design.md#no-resurrection, docs/requirements.md#f17',
    why: 'A thief who keeps clicking would survive the button "End".',
    skip,
    async run(f) {
      const sessions = engineOver(f)
      for (const act of [
        (session: AnySession) => session.set('n', 1),
        (session: AnySession) => session.cycleKey(),
      ]) {
        await everyInterleaving(f, async () => {
          const ann = f.id()
          const thief = await loggedIn(sessions, { on: 'thief' }, ann)
          const before = thief.copy()
          const [{ id } = { id: '' }] = await sessions.list(ann)
          return {
            requests: [
              async store => {
                const { code } = await thief.visit(engineOver(f, { store }), act)
                oneOf(code, ['ok', 'SESSION_INTERRUPTED'], 'the outcome of the thief’s request')
              },
              async store => {
                equal(await engineOver(f, { store }).end(id, { subject: ann }), true, 'the answer of end()')
              },
            ],
            check: async () => {
              // A request that came after the end may have begun a session of its own.
              for (const browser of [thief, before])
                equal((await dataOf(sessions, browser))?.['on'], undefined, 'what the ended device finds')
              equal(await sessions.list(ann), [], 'the devices that are left')
            },
          }
        })
      }
    },
  },
  ...limitCases(),
  {
    id: 'engine/reuse',
    title: 'a rotated key that is used after the time of grace is reported, and ends the session [A2]',
    rule: "reuse: 'end-all': the marker of a rotation stays until the old key would have expired.",
    source: 'docs/design.md#reuse, docs/requirements.md#a2',
    why: 'Nobody would notice that a session key was stolen.',
    async run(f) {
      const reused: unknown[] = []
      let late = 0
      // 31 s later by the engine's clock; the store's own need not move, because it has no part in it.
      const options: Partial<SessionsOptions> = {
        reuse: 'end-all',
        clock: () => f.clock.now() + late,
        hooks: { reused: ({ subject, ended }) => void reused.push([subject, ended]) },
      }
      const sessions = engineOver(f, options)
      const ann = f.id()
      const owner = await loggedIn(sessions, { on: 'phone' }, ann)
      const thief = owner.copy()
      await owner.visit(sessions, session => session.cycleKey())
      equal(await dataOf(sessions, thief), null, 'what the old key finds')
      equal((await dataOf(sessions, owner))?.['on'], 'phone', 'what the new key finds')
      equal(reused, [], 'what was reported within the time of grace')
      late = 31_000
      await thief.visit(engineOver(f, { ...options, store: f.other }), session => session.get('on'))
      equal(reused, [[ann, true]], 'what was reported: the subject, and that the session was ended')
      equal(await dataOf(sessions, owner), null, 'what the new key finds after that')
    },
  },
]

function limitCases(): StoreCase[] {
  const cases = (['end-oldest', 'refuse'] as const).map((then): StoreCase => {
    const limited = (f: StoreFixture, store: Store = f.store) =>
      engineOver(f, { store, maxSessions: { count: 1, then } })
    return {
      id: `engine/overlap-limit-${then}`,
      title: `two logins at the same time leave no session above the limit, with then: '${then}' [A24, A37]`,
      rule: 'Each login lists the sessions after its own insert, and the list has what was inserted before.',
      source: 'docs/design.md#max-sessions, docs/requirements.md#a37',
      why: 'A limit of one session would not keep two people from sharing an account.',
      skip,
      async run(f) {
        await everyInterleaving(
          f,
          async () => {
            const ann = f.id()
            const browsers = [new Browser(), new Browser()]
            for (const browser of browsers) await browser.visit(limited(f), session => session.set('cart', 1))
            const login = (browser: Browser) => async (store: Store) => {
              const { code } = await browser.visit(limited(f, store), logIn(ann))
              const lost = then === 'refuse' ? 'SESSION_LIMIT' : 'SESSION_INTERRUPTED'
              oneOf(code, ['ok', lost], 'the outcome of a login')
            }
            return {
              requests: browsers.map(login),
              check: async () => {
                const left = await limited(f).list(ann)
                equal(left.length, 1, 'the number of sessions after two logins')
                const found = await Promise.all(browsers.map(browser => dataOf(limited(f), browser)))
                ok(
                  then === 'end-oldest' || found.every(data => data?.['cart'] === 1),
                  'both visitors to keep their cart',
                  'the refused one has lost it',
                )
              },
            }
          },
          // A login that was rejected pauses before it tries again, which takes the longest.
          then === 'refuse' ? 20 : 60,
        )
      },
    }
  })
  return cases
}
