import { equal, fail, ok } from '../check.ts'
import type { StoreCase } from '../store-fixture.ts'
import { without } from '../store-fixture.ts'
import { Browser, dataOf, engineOver, loggedIn, sessionLife } from './browser.ts'

/** Django's semantics, each seen through the store: what one request saved is what the next one finds. */
export const djangoCases: readonly StoreCase[] = [
  {
    id: 'engine/next-request',
    title: 'what one request sets, the next one finds',
    rule: 'A session is the same in the next request.',
    source: 'docs/design.md#django; Django SessionBase.__setitem__, save, load',
    why: 'Logging in would not work.',
    async run(f) {
      const sessions = engineOver(f)
      const browser = await loggedIn(sessions, {
        user: 'ann',
        cart: [1, { two: 'ü😀' }],
        none: null,
        yes: true,
      })
      const data = await dataOf(sessions, browser)
      equal(
        data,
        { user: 'ann', cart: [1, { two: 'ü😀' }], none: null, yes: true },
        'the data of the next request',
      )
      const other = engineOver(f, { store: f.other })
      equal((await dataOf(other, browser))?.['user'], 'ann', 'the user in a request to another process')
    },
  },
  {
    id: 'engine/changes-add-up',
    title: 'set, delete, pop, push and clear of request after request add up',
    rule: 'Each save replaces what the one before left.',
    source: 'docs/design.md#django, docs/design.md#nested-mutations; Django SessionBase',
    why: 'Old values would come back, or new ones be missing.',
    async run(f) {
      const sessions = engineOver(f)
      const browser = await loggedIn(sessions, { a: 1, b: 2, cart: ['x'] })
      await browser.visit(sessions, session => void session.delete('a'))
      await browser.visit(sessions, session => void (session.get('cart') as string[]).push('y'))
      await browser.visit(sessions, session => void session.pop('b'))
      equal(await dataOf(sessions, browser), { cart: ['x', 'y'] }, 'the data after delete, push and pop')
      const key = browser.key
      await browser.visit(sessions, session => session.clear())
      equal(await dataOf(sessions, browser), {}, 'the data after clear()')
      equal(browser.key, key, 'the session key after clear(), which keeps it')
    },
  },
  {
    id: 'engine/unknown-key',
    title: 'a made-up key writes nothing, and is never adopted [A3, C9]',
    rule: 'An unknown key: an empty session, a deleted cookie, no record.',
    source:
      'docs/design.md#django, docs/requirements.md#c4, docs/requirements.md#c9; Django SessionMiddleware; CVE-2015-5963, CVE-2024-38513',
    why: 'An attacker could choose the key of the victim’s session, or fill the store.',
    async run(f) {
      const sessions = engineOver(f)
      const browser = new Browser()
      const planted = 'abcdefghijklmnopqrstuvwxyz012345'
      browser.cookies.set('sessionid', planted)
      equal(await sessions.exists(planted), false, 'whether there is a session of a made-up key')
      await browser.visit(sessions, session => session.get('user'))
      equal(browser.key, undefined, 'the cookie after a request that read')
      equal(await sessions.exists(planted), false, 'whether there is one after a request that read')
      browser.cookies.set('sessionid', planted)
      await browser.visit(sessions, session => session.set('user', 'ann'))
      ok(browser.key !== planted, 'a key of the engine’s own after set()', 'the made-up key was adopted')
      equal(await sessions.exists(planted), false, 'whether there is one after a request that wrote')
      equal((await dataOf(sessions, browser))?.['user'], 'ann', 'the user under the new key')
    },
  },
  {
    id: 'engine/flush',
    title: 'after flush the key leads nowhere, and the cookie is deleted [A23, C7]',
    rule: 'flush: data, record and key.',
    source:
      'docs/design.md#django, docs/requirements.md#c7, docs/requirements.md#i1; Django SessionBase.flush; CVE-2024-31999',
    why: 'A copied cookie would still work after logging out.',
    async run(f) {
      const sessions = engineOver(f)
      const browser = await loggedIn(sessions, { user: 'ann' })
      const thief = browser.copy()
      await browser.visit(sessions, session => session.flush())
      equal(browser.key, undefined, 'the cookie after flush()')
      equal(await dataOf(sessions, thief), null, 'what a copy of the cookie leads to')
      equal(await sessions.exists(thief.key ?? ''), false, 'whether the session exists')
    },
  },
  {
    id: 'engine/cycle-key',
    title: 'cycleKey keeps the data under a new key, and the old one authenticates nothing [A2, C4]',
    rule: 'The old key authenticates nothing from then on.',
    source:
      'docs/design.md#django, docs/requirements.md#c4, docs/requirements.md#i1; Django SessionBase.cycle_key; CVE-2022-25896 passport',
    why: 'Session fixation: whoever planted the key before login would be logged in.',
    async run(f) {
      const sessions = engineOver(f)
      const browser = await loggedIn(sessions, { cart: [1] })
      const thief = browser.copy()
      await browser.visit(sessions, session => {
        session.cycleKey()
        session.set('user', 'ann')
      })
      ok(browser.key !== thief.key, 'a new key', 'it is the old one')
      equal(await dataOf(sessions, browser), { cart: [1], user: 'ann' }, 'the data under the new key')
      const seen = await thief.visit(sessions, session => session.get('user'))
      equal(seen.result, undefined, 'the user that the old key shows')
      equal(await sessions.exists(thief.key ?? ''), false, 'whether the old session exists')
    },
  },
  {
    id: 'engine/expiry',
    title: 'a session ends when setExpiry says so, and not before',
    rule: 'Expiry is kept on the server, by setExpiry, or by the engine’s age.',
    source:
      'docs/design.md#django, docs/requirements.md#a21, docs/requirements.md#c6, docs/requirements.md#i7; Django SessionBase.set_expiry',
    why: 'A session would outlive its end, or end too early.',
    async run(f) {
      const sessions = engineOver(f)
      const life = sessionLife(f)
      const long = await loggedIn(sessions, { user: 'ann' })
      const short = await loggedIn(sessions, { user: 'bob' })
      await short.visit(sessions, session => session.setExpiry(new Date(f.clock.now() + life)))
      equal((await dataOf(sessions, short))?.['user'], 'bob', 'the user before the end')
      const thief = short.copy()
      await f.clock.advance(life)
      equal(await dataOf(sessions, thief), null, 'what the key leads to after the end')
      equal((await dataOf(sessions, long))?.['user'], 'ann', 'the user of a session that lives on')
    },
  },
  {
    id: 'engine/touch',
    title: 'a visit extends the life of the session by touch, and changes nothing else',
    rule: 'saveEveryRequest: { touchAfter } extends at most so often.',
    source: 'docs/design.md#extension, docs/requirements.md#a21',
    why: 'Active visitors would be thrown out.',
    async run(f) {
      const life = sessionLife(f)
      const sessions = engineOver(f, { age: (1.5 * life) / 1_000, saveEveryRequest: { touchAfter: 0 } })
      const browser = await loggedIn(sessions, { user: 'ann' })
      await f.clock.advance(life)
      const seen = await browser.visit(sessions, session => session.get('user'))
      equal(seen.setCookies.length, 1, 'the number of cookies of an extending visit')
      await f.clock.advance(life)
      equal(
        (await dataOf(sessions, browser))?.['user'],
        'ann',
        'the user after the first life, within the second',
      )
    },
  },
  {
    id: 'engine/hostile-data',
    title: 'hostile keys and values come back exactly [A35, F32]',
    rule: 'Any name outside the closed list is the user’s, any JSON a value.',
    source: 'docs/requirements.md#a35, docs/requirements.md#f32; koa-session: isAdmin === true',
    why: 'A value that a visitor typed would break the session, or make her an admin.',
    async run(f) {
      const sessions = engineOver(f)
      const data = Object.fromEntries([
        ['constructor', 'x'],
        ['toString', 1],
        ['', 'the empty key'],
        ['nul\0key', 'nul\0value'],
        ['lone \ud800', '\udfff lone'],
        ['e\u0301', 'NFD'],
        ['\u00e9', 'NFC'],
        ["it's; DROP TABLE", '"\\\'`#{}'],
        ['deep', [[[[{ a: [null, -0.5, 1e300, ''] }]]]]],
      ])
      const browser = await loggedIn(sessions, {})
      await browser.visit(sessions, session => {
        for (const [key, value] of Object.entries(data)) session.set(key, value)
        session.set('__proto__', { isAdmin: true })
      })
      const found = await dataOf(sessions, browser)
      if (!found) fail('the session to be there', 'there was none')
      for (const [key, value] of Object.entries(data)) equal(found[key], value, 'a hostile value')
      equal(Object.hasOwn(found, '__proto__'), true, 'whether the key __proto__ is a key like others')
      equal(({} as { isAdmin?: boolean }).isAdmin, undefined, 'isAdmin of an unrelated object')
    },
  },
  {
    id: 'engine/keys-stay-secret',
    title: 'the store never sees a session key [A7, C15]',
    rule: 'Store ids are a digest of the key (hashKeys).',
    source: 'docs/requirements.md#a7, docs/requirements.md#c15; practice since rack 2.0.8',
    why: 'Whoever reads a backup of the store could log in as everybody.',
    skip: without('scan'),
    async run(f) {
      const sessions = engineOver(f)
      const browser = await loggedIn(sessions, { user: f.id() })
      const key = browser.key ?? fail('a session key', 'there is none')
      let found = 0
      for await (const { id, payload, version, subject } of f.store.scan?.(f.context()) ?? []) {
        equal(
          `${id} ${payload} ${version} ${subject}`.includes(key),
          false,
          'whether the store holds the key',
        )
        equal(/^[0-9a-z]{32,40}$/.test(id), true, 'whether an id is one of the contract’s')
        found++
      }
      ok(found > 0, 'the scan to give the session', 'it gave none')
    },
  },
  {
    id: 'engine/create-and-delete',
    title: 'exists, delete and create tell what is in the store',
    rule: 'exists(key), delete(key), create().',
    source: 'docs/design.md#django; Django SessionBase.exists, delete, create',
    why: 'Tools that end sessions would end nothing.',
    async run(f) {
      const sessions = engineOver(f)
      const browser = await loggedIn(sessions, { user: 'ann' })
      const first = browser.key ?? ''
      equal(await sessions.exists(first), true, 'whether the session exists')
      await browser.visit(sessions, session => session.create())
      equal(await sessions.exists(browser.key ?? ''), true, 'whether the created session exists')
      ok(browser.key !== first, 'a new key after create()', 'it is the old one')
      equal(await sessions.delete(first), true, 'the answer of delete() for a session')
      equal(await sessions.exists(first), false, 'whether the deleted session exists')
      equal(await sessions.delete(first), false, 'the answer of delete() the second time')
    },
  },
  {
    id: 'engine/must-create',
    title: 'save({ mustCreate: true }) never overwrites a session',
    rule: 'Under its key, of which there must be no session (Django CreateError).',
    source: 'docs/design.md#django; Django SessionBase.save(must_create=True)',
    why: 'Two visitors would end up in one session.',
    async run(f) {
      const sessions = engineOver(f)
      const browser = await loggedIn(sessions, { user: 'ann' })
      const second = await browser.visit(sessions, async session => {
        session.set('user', 'bob')
        await session.save({ mustCreate: true })
      })
      equal(second.code, 'SESSION_EXISTS', 'the outcome of save({ mustCreate: true }) for a key in use')
      equal((await dataOf(sessions, browser))?.['user'], 'ann', 'the user after that')
    },
  },
  {
    id: 'engine/flash',
    title: 'flash messages are taken once, all of them',
    rule: 's.flash(name, v) adds to a list, s.flash(name) takes the list.',
    source: 'docs/design.md#flash',
    why: '"Your order was placed" would be shown for ever, or never.',
    async run(f) {
      const sessions = engineOver(f)
      const browser = await loggedIn(sessions, { user: 'ann' })
      await browser.visit(sessions, session => session.flash('notice', { text: 'saved' }))
      const first = await browser.visit(sessions, session => session.flash('notice'))
      const second = await browser.visit(sessions, session => session.flash('notice'))
      equal(first.result, [{ text: 'saved' }], 'the flash value that the next request takes')
      equal(second.result, [], 'what the request after that takes')
      equal(await dataOf(sessions, browser), { user: 'ann' }, 'the data, which does not show it')
    },
  },
  {
    id: 'engine/clear-expired',
    title: 'clearExpired ends what has expired, and nothing else',
    rule: 'clear_expired removes expired sessions.',
    source: 'docs/design.md#django, docs/requirements.md#c3; Django clearsessions',
    why: 'The nightly clean-up would log visitors out.',
    skip: without('clearExpired'),
    async run(f) {
      const sessions = engineOver(f)
      const live = await loggedIn(sessions, { user: 'ann' })
      const old = await loggedIn(sessions, { user: 'bob' })
      await old.visit(sessions, session => session.setExpiry(new Date(f.clock.now() + sessionLife(f))))
      await f.clock.advance(sessionLife(f))
      ok(
        (await sessions.clearExpired()) >= 1,
        'clearExpired() to remove the expired session',
        'it removed none',
      )
      equal((await dataOf(sessions, live))?.['user'], 'ann', 'the user of the live session')
    },
  },
]
