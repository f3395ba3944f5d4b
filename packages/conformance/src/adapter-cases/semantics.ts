import { DoesNotApply } from '../case.ts'
import { equal, ok, oneOf } from '../check.ts'
import { type AdapterCase, needsServerSide, needsStart } from './fixture.ts'
import { request } from './newer-routes.ts'
import { deletedCookie, newCookie, noCookie, pause, status } from './responses.ts'

export const semanticsCases: readonly AdapterCase[] = [
  {
    id: 'adapter/dictionary',
    title: 'delete, pop, clear and a nested push reach the store',
    rule: 'The methods of those names; a nested mutation is saved.',
    source: 'docs/design.md#probe',
    why: 'Changes would be forgotten.',
    async run(f) {
      const browser = await f.browser()
      for (const path of ['/set?k=a&v=1', '/set?k=b&v=2', '/set?k=list&v=[1]']) await browser.post(path)
      await browser.post('/push?k=list&v=2')
      await browser.post('/delete?k=a')
      equal((await browser.post('/pop?k=b')).json['value'], 2, 'the value that POST /pop returns')
      equal((await browser.get('/all')).json['data'], { list: [1, 2] }, 'the data after push, delete and pop')
      await browser.post('/clear')
      equal((await browser.get('/all')).json['data'], {}, 'the data after clear')
    },
  },
  {
    id: 'adapter/no-plain-object',
    title: 'what code does to the session as to a plain object works or throws, and reaches no other visitor',
    rule: 'Hand over the session itself. An object in front of it does what it is told, or throws.',
    source: 'docs/design.md#nothing-silent; connect-flash: `req.session.flash = req.session.flash || {}`',
    why: 'A login by `req.session.userId = 5` would be forgotten without a word, or be seen by the next visitor.',
    async run(f) {
      const response = await request(f, 'POST', '/as-object')
      status(response, 200, 'POST /as-object')
      equal(response.json['silent'], [], 'what had no effect and did not throw')
      const { json } = await request(f, 'GET', '/left')
      equal(json['left'], [], 'what another visitor finds of the words that one has left')
    },
  },
  {
    id: 'adapter/flush',
    title:
      'flush deletes the cookie with the attributes that made it, and the old key leads nowhere [A15, C7]',
    rule: 'Flushed: remove the record; nothing there: expire the cookie.',
    source: 'docs/requirements.md#c7, docs/requirements.md#a15, docs/requirements.md#a23; CVE-2024-31999',
    why: 'Logging out would leave the session alive, in the browser or on the server.',
    async run(f) {
      const browser = await f.browser()
      const made = newCookie(f, await browser.post('/set?k=user&v=ann'), 'the response to POST /set')
      const thief = browser.copy()
      const response = await browser.post('/flush')
      status(response, 200, 'POST /flush')
      const deleted = deletedCookie(f, response, 'POST /flush')
      for (const attribute of ['path', 'domain', 'samesite', 'secure', 'httponly']) {
        const [before, after] = [made.attributes.get(attribute), deleted.attributes.get(attribute)]
        equal(after, before, `${attribute} of the deleting cookie, as of the one that it deletes,`)
      }
      equal((await browser.get('/all')).json['data'], {}, 'the data after flush')
      if (!f.inCookie) equal(await thief.value('user'), undefined, 'what a copied cookie shows')
    },
  },
  {
    id: 'adapter/clear-site-data',
    title: 'a logout can ask the browser to delete what the site stored, and no other response does [A23]',
    rule: 'Set the fields of `headers`. Clear-Site-Data is sent with the response of the flush that asked for it.',
    source: 'docs/design.md#clear-site-data; W3C Clear Site Data section 3.1',
    why: 'Data of the user would stay on a shared computer after logout, or be deleted while they work.',
    async run(f) {
      const browser = await f.browser()
      await browser.post('/set?k=user&v=ann')
      const response = await browser.post('/flush?clear=storage')
      status(response, 200, 'POST /flush?clear=storage')
      equal(response.headers['clear-site-data'], '"storage"', 'Clear-Site-Data of POST /flush?clear=storage')
      deletedCookie(f, response, 'POST /flush?clear=storage')
      const next = await browser.post('/set?k=user&v=bob')
      equal(next.headers['clear-site-data'], undefined, 'Clear-Site-Data of POST /set')
    },
  },
  {
    id: 'adapter/anonymous-logout',
    title: 'logging out without a session sets nothing and is no error [C9]',
    rule: 'No cookie and nothing written: no Set-Cookie.',
    source: 'docs/requirements.md#c9, docs/requirements.md#i4; CVE-2015-5964 Django',
    why: 'Bots would fill the store through the logout link.',
    async run(f) {
      const response = await (await f.browser()).post('/flush')
      status(response, 200, 'POST /flush without a session')
      noCookie(f, response, 'POST /flush without a session')
    },
  },
  {
    id: 'adapter/cycle',
    title: 'cycleKey sends a new key, and the old one authenticates nothing [A2, C4]',
    rule: 'The old key authenticates nothing from then on.',
    source:
      'docs/requirements.md#c4, docs/requirements.md#a2, docs/requirements.md#i1; CVE-2022-25896 passport',
    why: 'Session fixation: whoever planted the key would be logged in.',
    async run(f) {
      const browser = await f.browser()
      await browser.post('/set?k=cart&v=1')
      const thief = browser.copy()
      newCookie(f, await browser.post('/cycle'), 'the response to POST /cycle')
      equal(await browser.value('cart'), 1, 'the data under the new key')
      if (f.inCookie) return
      ok(browser.header !== thief.header, 'a new key', 'it is the old one')
      equal(await thief.value('cart'), undefined, 'what the old key shows')
    },
  },
  {
    id: 'adapter/late-after-rotation',
    title: 'a late request with the old key does not delete the new cookie [A26, F18]',
    rule: 'Reading a marker: an empty session, and the browser’s new cookie is left alone.',
    source:
      'docs/requirements.md#c2, docs/requirements.md#a26, docs/requirements.md#f18; spring-session 1270, express-session 923',
    why: 'A page that sends several requests would log itself out at login.',
    skip: needsServerSide,
    async run(f) {
      const browser = await f.browser()
      await browser.post('/set?k=cart&v=1')
      const late = browser.copy()
      await browser.post('/login?user=ann')
      noCookie(f, await late.get('/get?k=user'), 'a late GET /get with the old key')
      const write = await late.post('/set?k=x&v=1')
      status(write, 400, 'a late POST /set with the old key')
      noCookie(f, write, 'a late POST /set with the old key')
      equal(await browser.value('user'), 'ann', 'the user under the new key')
    },
  },
  {
    id: 'adapter/login-and-everywhere',
    title: 'logging out everywhere ends the sessions of that user in every browser [A24]',
    rule: 'Removes every session of the subject, this one included.',
    source: 'docs/requirements.md#a24; ASVS5 7.4.2',
    why: 'A thief would stay logged in.',
    skip: needsServerSide,
    async run(f) {
      const user = `user-${Math.random()}`
      const [phone, laptop, other] = [await f.browser(), await f.browser(), await f.browser()]
      for (const each of [phone, laptop]) await each.post(`/login?user=${user}`)
      await other.post('/login?user=somebody-else')
      const response = await laptop.post('/logout-everywhere')
      status(response, 200, 'POST /logout-everywhere')
      for (const each of [phone, laptop])
        equal(await each.value('user'), undefined, 'the user of an ended session')
      equal(await other.value('user'), 'somebody-else', 'the user of another session')
    },
  },
  {
    id: 'adapter/everywhere-then-set',
    title: 'what a request sets after it has logged out everywhere is a new session, and no error [A24]',
    rule: 'removeBySubject of a subject that the asking request’s session has ends that session as flush does.',
    source: 'docs/design.md#subject, docs/requirements.md#a24',
    why: 'The visitor who pressed "log out everywhere" would get an error page.',
    skip: needsServerSide,
    async run(f) {
      const browser = await f.browser()
      await browser.post(`/login?user=user-${Math.random()}`)
      const before = browser.copy()
      const response = await browser.post('/logout-everywhere?k=notice&v=bye')
      status(response, 200, 'POST /logout-everywhere?k=notice&v=bye')
      if (browser.header === undefined || browser.header === '')
        throw new DoesNotApply('the probe app sets nothing on POST /logout-everywhere?k=&v=')
      newCookie(f, response, 'the response to POST /logout-everywhere?k=notice&v=bye')
      equal((await browser.get('/all')).json['data'], { notice: 'bye' }, 'the data of the new session')
      equal(await before.value('user'), undefined, 'the user that the old key shows')
    },
  },
  {
    id: 'adapter/expiry',
    title: 'setExpiry shows in the cookie: Max-Age, or none for a session that ends with the browser',
    rule: 'The cookie lives as long as the session.',
    source: 'docs/design.md#django, docs/design.md#probe; Django SessionMiddleware',
    why: 'Visitors would be logged out with the browser’s end, or never.',
    async run(f) {
      const browser = await f.browser()
      await browser.post('/set?k=a&v=1')
      const response = await browser.post('/expiry?seconds=300')
      equal(
        newCookie(f, response, 'the response to /expiry?seconds=300').attributes.get('max-age'),
        '300',
        'Max-Age',
      )
      equal(response.json['age'], 300, 'the age that the session tells')
      const closing = newCookie(
        f,
        await browser.post('/expiry?seconds=0'),
        'the response to /expiry?seconds=0',
      )
      equal(
        closing.attributes.has('max-age'),
        false,
        'whether a cookie that ends with the browser has Max-Age',
      )
      equal(closing.attributes.has('expires'), false, 'whether it has Expires')
      const reset = newCookie(f, await browser.post('/expiry?reset=1'), 'the response to /expiry?reset=1')
      equal(reset.attributes.get('max-age'), '1209600', 'Max-Age after a reset')
    },
  },
  {
    id: 'adapter/flash',
    title: 'flash messages are taken once, all of them',
    rule: 'POST /flash adds to a list, GET /flash takes the list.',
    source: 'docs/design.md#flash',
    why: '"Your order was placed" would be shown for ever, or never.',
    async run(f) {
      const browser = await f.browser()
      await browser.post('/flash?v=saved')
      await browser.post('/flash?v=sent')
      equal((await browser.get('/flash')).json['value'], ['saved', 'sent'], 'what the first GET /flash takes')
      equal((await browser.get('/flash')).json['value'], [], 'what the second GET /flash takes')
    },
  },
  {
    id: 'adapter/rolling',
    title: 'saveEveryRequest extends with each visit, one that only reads included [A21]',
    rule: 'Due for extension: touch, and the cookie again.',
    source: 'docs/design.md#save-every-request, docs/requirements.md#c13; CVE-2026-35192 Django',
    why: 'Active visitors would be thrown out.',
    skip: needsStart,
    async run(f) {
      const app = await f.start({ saveEveryRequest: true })
      const browser = app.browser()
      const first = newCookie(f, await browser.post('/set?k=a&v=1'), 'the response to POST /set')
      for (const path of ['/get?k=a', '/none']) {
        const again = newCookie(f, await browser.get(path), `the response to GET ${path}`)
        equal(again.value === first.value, true, `whether the key is the same after GET ${path}`)
      }
    },
  },
  {
    id: 'adapter/overlap',
    title: 'twenty overlapping requests that set and append lose nothing [F16]',
    rule: 'No lost updates.',
    source: 'docs/design.md#no-lost-updates, docs/requirements.md#f16',
    why: 'What was put into the cart in one tab would vanish because of another tab.',
    skip: needsServerSide,
    async run(f) {
      const browser = await f.browser()
      await browser.post('/set?k=list&v=[]')
      const responses = await Promise.all(
        Array.from({ length: 20 }, (_, n) =>
          browser.copy().post(n % 2 ? `/setslow?k=key${n}&v=${n}&wait=20` : `/append?k=list&v=${n}&wait=20`),
        ),
      )
      for (const response of responses) status(response, 200, 'one of twenty overlapping requests')
      const data = (await browser.get('/all')).json['data'] as Record<string, unknown>
      equal(Object.keys(data).length, 11, 'the number of keys')
      equal((data['list'] as unknown[]).length, 10, 'the length of the list')
    },
  },
  {
    id: 'adapter/logout-overlaps',
    title: 'a logout during a slow request is not undone, and the slow request gets a 400 [C1, F17]',
    rule: 'SessionInterruptedError 400; its response carries no cookie.',
    source: 'docs/requirements.md#c1, docs/requirements.md#f17; CVE-2025-46336 rack-session',
    why: 'The session would live on after logging out.',
    skip: needsServerSide,
    async run(f) {
      const browser = await f.browser()
      await browser.post('/set?k=user&v=ann')
      const thief = browser.copy()
      const slow = browser.copy().post('/setslow?k=late&v=1&wait=300')
      const leave = pause(100).then(() => browser.post('/flush'))
      const [response] = await Promise.all([slow, leave])
      status(response, 400, 'a slow POST during which the session was flushed')
      noCookie(f, response, 'that slow POST')
      equal(await thief.value('user'), undefined, 'the user that the old key shows')
    },
  },
  {
    id: 'adapter/read-once',
    title: 'a request that reads asks the store once, one that writes twice, one without a session never',
    rule: 'Read-only request: exactly one store round trip. Write: one read, one write.',
    source: 'docs/design.md#pay-for-use, docs/requirements.md#i4',
    why: 'Every page would be slower than it must be.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      const calls = () => app.store.calls.splice(0)
      const browser = app.browser()
      await browser.get('/none')
      await browser.get('/get?k=a')
      equal(calls(), [], 'the store calls of two requests without a cookie')
      await browser.post('/set?k=a&v=1')
      equal(calls(), ['insert'], 'the store calls of a first POST /set')
      await browser.get('/get?k=a')
      equal(calls(), ['read'], 'the store calls of GET /get')
      await browser.post('/set?k=a&v=2')
      equal(calls(), ['read', 'replace'], 'the store calls of POST /set')
      await browser.post('/throw?k=a&v=3&status=404')
      equal(calls(), ['read', 'replace'], 'the store calls of a POST that throws a 404')
      await browser.get('/none')
      oneOf(calls().join(), ['read', ''], 'the store calls of GET /none with a cookie')
    },
  },
  {
    id: 'adapter/lazy',
    title: 'lazy: true loads nothing until the handler asks for it',
    rule: 'await session.load(), skipped with lazy: true.',
    source: 'docs/design.md#commit',
    why: 'Sites that asked for no store call on public pages would pay for one.',
    skip: needsStart,
    async run(f) {
      const app = await f.start({ lazy: true })
      const browser = app.browser()
      browser.cookies.set('sessionid', 'abcdefghijklmnopqrstuvwxyz012345')
      equal((await browser.get('/none')).body, 'ok', 'the body of GET /none')
      equal(app.store.calls, [], 'the store calls of GET /none')
      // A probe's handler may load the session itself; then that is the one call, and there is no error.
      const used = await browser.get('/get?k=a')
      oneOf(used.status, [200, 500], 'the status of GET /get, loaded by its handler or not,')
      equal(app.store.calls, used.status === 200 ? ['read'] : [], 'the store calls of GET /get')
    },
  },
]
