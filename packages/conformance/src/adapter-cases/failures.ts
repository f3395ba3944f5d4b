import { DoesNotApply } from '../case.ts'
import { equal, ok, outcome } from '../check.ts'
import { type HttpResponse, send } from './client.ts'
import { type AdapterCase, type AdapterFixture, needsStart } from './fixture.ts'
import { cacheControl, inFiveSeconds, newCookie, noCookie, pause, status, vary } from './responses.ts'
import { withNothingUncaught } from './uncaught.ts'
import { type Call, down } from './watched-store.ts'

/** Fails if a response has something of what a route of the probe adds to its success. */
function nothingOfSuccess(f: AdapterFixture, response: HttpResponse, what: string): void {
  noCookie(f, response, what)
  const names = response.setCookies.map(({ name }) => name)
  equal(
    names.filter(name => ['own', 'one', 'two', 'theme', 'lang'].includes(name)),
    [],
    `the handler’s own cookies in ${what}`,
  )
  const fields = [...cacheControl(response), ...vary(response)]
  const own = ['public', 'max-age=60', 's-maxage=600', 'accept', 'origin', 'accept-encoding']
  equal(
    fields.filter(field => own.includes(field)),
    [],
    `the handler’s own Vary and Cache-Control in ${what}`,
  )
  for (const name of ['location', 'x-foreign', 'x-own', 'clear-site-data'])
    equal(response.headers[name], undefined, `${name} of ${what}`)
  equal(response.body.includes('chunk 0'), false, `whether a chunk is in ${what}`)
  equal(/"sessionKey"/.test(response.body), false, `whether the body of the success is in ${what}`)
}

const OWN_HEADERS = `/own-headers?k=a&v=2&cache=${encodeURIComponent('public, s-maxage=600, max-age=60')}`

/** Requests that need a call of the store when they are committed. `new`: of a visitor without a session. */
const COMMITTING: readonly [call: Call, path: string, visitor: 'new' | 'known'][] = [
  ...['insert', 'replace'].flatMap(call =>
    [
      OWN_HEADERS,
      '/own-several?k=a&v=2',
      '/stream?k=a&v=2&chunks=2',
      '/redirect?k=a&v=2',
      '/foreign?k=a&v=2',
      '/raw?k=a&v=2&as=object',
      '/raw?k=a&v=2&as=set',
      // Its handler responds in a timer, where an error is nobody's.
      '/raw-late?k=a&v=2',
    ].map(path => [call, path, call === 'insert' ? 'new' : 'known'] as [Call, string, 'new' | 'known']),
  ),
  ['insert', '/cycle', 'known'],
  ['remove', '/flush?clear=storage', 'known'],
]

/** What the client gets when the store fails: an error, and nothing of a success. */
export const failureCases: readonly AdapterCase[] = [
  {
    id: 'adapter/save-fails',
    title: 'a save that fails sends a 503, without a cookie and without anything of the success [F2]',
    rule: 'A failed commit goes to the framework’s own error handling.',
    source: 'docs/design.md#commit, docs/requirements.md#f2; express-session sends 200 and a cookie',
    why: 'The visitor would be told that it worked.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      app.store.before = call => (call === 'insert' || call === 'replace' ? down() : undefined)
      for (const path of [
        '/set?k=a&v=1',
        '/redirect?k=a&v=1',
        '/stream?k=a&v=1&chunks=2',
        '/status/201?k=a&v=1',
      ]) {
        const response = await app.browser().post(path)
        status(response, 503, `POST ${path} while the store is down`)
        noCookie(f, response, `POST ${path} while the store is down`)
        equal(response.headers['location'], undefined, `Location of POST ${path} while the store is down`)
        equal(response.body.includes('chunk 0'), false, `whether a chunk of POST ${path} arrived`)
        equal(
          /"sessionKey"/.test(response.body),
          false,
          `whether the body of POST ${path} is that of the success`,
        )
      }
      app.store.before = undefined
      const browser = app.browser()
      await browser.post('/set?k=a&v=1')
      equal(await browser.value('a'), 1, 'the value set after the outage')
    },
  },
  {
    id: 'adapter/save-fails-headers',
    title: 'the error of a save that failed has none of the headers that the handler gave its success [F2]',
    rule: 'Drop every header that was set since the session was opened, not a list of some.',
    source:
      'docs/requirements.md#f2, docs/conformance-space.md#an-adapter; RFC 9111 section 4.2.2: a 503 with `max-age` is stored',
    why: 'A cache would keep the error page as the page, for as long as the success was to be kept.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      const browser = app.browser()
      await browser.post('/set?k=a&v=1')
      for (const [failing, path, visitor] of COMMITTING) {
        app.store.before = async call => {
          await pause(1)
          if (call === failing) down()
        }
        const what = `the response to POST ${path} while the store is down`
        const response = await (visitor === 'new' ? app.browser() : browser.copy()).post(path)
        if ([404, 405, 501].includes(response.status)) continue
        status(response, 503, what)
        nothingOfSuccess(f, response, what)
      }
      app.store.before = undefined
      equal(await browser.value('a'), 1, 'the value after the outage')
    },
  },
  {
    id: 'adapter/store-throws-at-once',
    title: 'a store that throws before it returns a promise is a failed save or load like any other [F1, F2]',
    rule: 'Call `commit` where a thrown error and a rejected promise take the same way.',
    source:
      'docs/requirements.md#f1, docs/requirements.md#f2, docs/conformance-space.md#an-adapter; store.ts: a store may be synchronous',
    why: 'A full disk would end the process, or send the error with the cookie and the headers of the success.',
    skip: needsStart,
    async run(f) {
      const app = await f.start({ saveEveryRequest: true })
      const browser = app.browser()
      await browser.post('/set?k=a&v=1')
      const error = Object.assign(new Error('the disk is full'), { code: 'ENOSPC' })
      await withNothingUncaught(error, 'the error of a store that throws at once', async () => {
        for (const [failing, path, visitor] of COMMITTING) {
          app.store.atOnce = { failing: [failing], error }
          const what = `the response to POST ${path} while ${failing} throws at once`
          const cookie = visitor === 'new' ? undefined : browser.header
          const response = await inFiveSeconds(what, signal =>
            send(app.url + path, { method: 'POST', cookie, signal }),
          )
          if ([404, 405, 501].includes(response.status)) continue
          status(response, 503, what)
          nothingOfSuccess(f, response, what)
        }
        app.store.atOnce = { failing: ['touch'], error }
        const touched = await browser.get('/get?k=a')
        status(touched, 503, 'GET /get while touch throws at once')
        nothingOfSuccess(f, touched, 'GET /get while touch throws at once')
        app.store.atOnce = { failing: ['read'], error }
        status(await browser.get('/none'), 200, 'GET /none while read throws at once')
        const read = await browser.get('/get?k=a')
        status(read, 503, 'GET /get while read throws at once')
        noCookie(f, read, 'GET /get while read throws at once')
      })
      app.store.atOnce = undefined
      equal(await browser.value('a'), 1, 'the value after it')
    },
  },
  {
    id: 'adapter/save-fails-mapped',
    title: 'the app’s error handler gets the error of a save that failed, and chooses the response [F2]',
    rule: 'A failed commit goes to the framework’s own error handling.',
    source: 'docs/write-an-adapter.md#rules, docs/requirements.md#f2',
    why: 'The page that an app has for its errors would not be shown, and its log would not have them.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      // A fact about the framework, which only the author of the adapter knows.
      const thrown = await app.browser().post('/throw?k=a&v=1&mapped=507')
      if (thrown.status === 501) throw new DoesNotApply(thrown.body)
      app.store.before = call => (call === 'insert' ? down() : undefined)
      const response = await app.browser().post('/set?k=a&v=1&mapped=507')
      if (response.status === 501) throw new DoesNotApply(response.body)
      status(response, 507, 'POST /set while the store is down, whose error is mapped to 507,')
      noCookie(f, response, 'that response')
    },
  },
  {
    id: 'adapter/save-fails-by-any-method',
    title: 'a save that fails is an error of the request, by whatever method it came [F2]',
    rule: 'Wait for every commit, also that of a GET: it may have changed the session.',
    source: 'docs/design.md#commit, docs/requirements.md#f2, docs/conformance-space.md#an-adapter',
    why: 'A page that takes a message, or sets a value as it is shown, would claim to have done so.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      const browser = app.browser()
      await browser.post('/flash?v=hello')
      app.store.before = async call => {
        await pause(20)
        if (call === 'replace' || call === 'insert') down()
      }
      for (const [method, path] of [
        ['GET', '/flash'],
        ['PUT', '/set?k=a&v=1'],
        ['PATCH', '/set?k=a&v=1'],
        ['DELETE', '/set?k=a&v=1'],
      ] as const) {
        const what = `${method} ${path} while the store fails`
        const response = await inFiveSeconds(what, signal =>
          send(app.url + path, { method, cookie: browser.header, signal }),
        )
        status(response, 503, what)
        nothingOfSuccess(f, response, `the response to ${what}`)
      }
      app.store.before = undefined
      equal((await browser.get('/flash')).json['value'], ['hello'], 'the message that was not taken')
    },
  },
  {
    id: 'adapter/begin-fails',
    title: 'an error as the session is opened goes to the error handling, as any other does',
    rule: '`open` and `begin` may throw: `cookie.byRequest` is code of the app. Call them where errors are caught.',
    source: 'docs/design.md#cookie-by-request, docs/conformance-space.md#an-adapter',
    why: 'One request for a tenant that nobody knows would end the process.',
    skip: needsStart,
    async run(f) {
      const error = new Error('there is no such tenant')
      let isUnknown = true
      const byRequest = () => {
        if (isUnknown) throw error
        return {}
      }
      const app = await f.start({ cookie: { byRequest } })
      await withNothingUncaught(error, 'the error of `cookie.byRequest`', async () => {
        for (const [method, path] of [
          ['POST', '/set?k=a&v=1'],
          ['GET', '/get?k=a'],
        ] as const) {
          const what = `${method} ${path} whose cookie options cannot be told`
          const { status } = await inFiveSeconds(what, signal => send(app.url + path, { method, signal }))
          ok(status >= 500, `${what} to be an error`, `its status was ${status}`)
        }
      })
      isUnknown = false
      const browser = app.browser()
      status(await browser.post('/set?k=a&v=1'), 200, 'POST /set after that')
      equal(await browser.value('a'), 1, 'the value that was set after that')
    },
  },
  {
    id: 'adapter/save-fails-late',
    title: 'a save that fails after a while gets one response, whatever the handler has done meanwhile [F2]',
    rule: 'A failed commit goes to the error handling once. Where that was used up, the adapter responds itself.',
    source:
      'docs/design.md#commit, docs/requirements.md#f2; @fastify/middie and h3 1: a second `next(error)`',
    why: 'The outage of a store would end the process, or leave every visitor waiting.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      const browser = app.browser()
      await browser.post('/set?k=a&v=1')
      app.store.before = async call => {
        await pause(40)
        if (call === 'insert' || call === 'replace' || call === 'remove') down()
      }
      const paths = [
        '/set?k=a&v=2',
        '/redirect?k=a&v=2',
        '/stream?k=a&v=2&chunks=4&wait=15',
        '/status/204?k=a&v=2',
        '/flush',
        '/throw?k=a&v=2&status=404',
      ]
      for (const path of paths) {
        const response = await inFiveSeconds(`POST ${path} while the store fails late`, signal =>
          send(app.url + path, { method: 'POST', cookie: browser.header, signal }),
        )
        status(response, 503, `POST ${path} while the store fails late`)
        noCookie(f, response, `POST ${path} while the store fails late`)
      }
      app.store.before = undefined
      equal(await browser.value('a'), 1, 'the value after the outage')
    },
  },
  {
    id: 'adapter/slow-save',
    title: 'a save that takes long is waited for, whether it succeeds or fails in the end [F2]',
    rule: 'Wait for `commit` as long as it takes. The engine has a deadline of its own: `timeout`.',
    source: 'docs/design.md#commit, docs/requirements.md#f2, docs/conformance-space.md#an-adapter',
    why: 'A login over a slow store would be a success without a cookie, and the visitor not logged in.',
    skip: needsStart,
    async run(f) {
      // Longer than the seconds that somebody may find long enough for any save.
      const ms = f.quick ? 1_500 : 5_200
      const [slow, failing] = [await f.start({ timeout: 10_000 }), await f.start({ timeout: 10_000 })]
      slow.store.before = async call => {
        if (call === 'insert') await pause(ms)
      }
      failing.store.before = async call => {
        if (call !== 'insert') return
        await pause(ms)
        down()
      }
      const browser = slow.browser()
      const [saved, failed] = await Promise.all([
        browser.post('/set?k=a&v=1'),
        failing.browser().post('/set?k=a&v=1'),
      ])
      status(saved, 200, `POST /set, whose save takes ${ms} ms,`)
      newCookie(f, saved, `the response to POST /set, whose save takes ${ms} ms`)
      equal(await browser.value('a'), 1, 'the value that was saved')
      status(failed, 503, `POST /set, whose save fails after ${ms} ms,`)
      nothingOfSuccess(f, failed, `the response to POST /set, whose save fails after ${ms} ms`)
    },
  },
  {
    id: 'adapter/slow-load',
    title: 'a load that takes long is waited for [F3]',
    rule: 'Wait for `ready` as long as it takes. The engine has a deadline of its own: `timeout`.',
    source: 'docs/design.md#pay-for-use, docs/requirements.md#f3, docs/conformance-space.md#an-adapter',
    why: 'While the store is slow every page would be an error, or its visitor logged out.',
    skip: needsStart,
    async run(f) {
      const ms = f.quick ? 1_500 : 5_200
      const app = await f.start({ timeout: 10_000 })
      const browser = app.browser()
      await browser.post('/set?k=a&v=1')
      app.store.before = async call => {
        if (call === 'read') await pause(ms)
      }
      const response = await browser.get('/get?k=a')
      status(response, 200, `GET /get, whose load takes ${ms} ms,`)
      equal(response.json['value'], 1, `the value after a load of ${ms} ms`)
    },
  },
  {
    id: 'adapter/load-fails',
    title:
      'while the store is down, a request that uses the session gets 503, every other one its response, and no cookie changes [F1, I5]',
    rule: 'What the early load found, or the store’s error, shows at the handler’s first use.',
    source: 'docs/design.md#pay-for-use, docs/requirements.md#f1, docs/requirements.md#i5',
    why: 'The whole site would be down with the store, and every visitor logged out after it.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      const browser = app.browser()
      await browser.post('/set?k=user&v=ann')
      app.store.before = () => down()
      const none = await browser.get('/none')
      equal([none.status, none.body], [200, 'ok'], 'the response to GET /none')
      noCookie(f, none, 'GET /none')
      const used = await browser.get('/get?k=user')
      status(used, 503, 'GET /get')
      noCookie(f, used, 'GET /get')
      status(await app.browser().get('/get?k=user'), 200, 'GET /get without a cookie')
      app.store.before = undefined
      equal(await browser.value('user'), 'ann', 'the user after the outage')
    },
  },
  {
    id: 'adapter/logout-fails',
    title: 'a logout that the store did not carry out is an error, and leaves the cookie alone [A23]',
    rule: 'A removal that failed is not a success.',
    source: 'docs/requirements.md#a23, docs/requirements.md#f2',
    why: 'The visitor would believe to be logged out.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      const browser = app.browser()
      await browser.post('/set?k=user&v=ann')
      app.store.before = call => (call === 'remove' ? down() : undefined)
      const response = await browser.post('/flush')
      status(response, 503, 'POST /flush while the store is down')
      noCookie(f, response, 'POST /flush while the store is down')
    },
  },
  {
    id: 'adapter/store-hangs',
    title: 'a store that hangs gets a response by the deadline [F3]',
    rule: 'timeout: ms that one load or one commit may wait for the store.',
    source: 'docs/design.md#commit, docs/requirements.md#f3; express-session never responds',
    why: 'Requests would pile up until the server dies.',
    skip: needsStart,
    async run(f) {
      const app = await f.start({ timeout: 200 })
      const browser = app.browser()
      await browser.post('/set?k=a&v=1')
      app.store.before = () => new Promise(() => undefined)
      for (const ask of [() => app.browser().post('/set?k=a&v=1'), () => browser.get('/get?k=a')]) {
        const started = performance.now()
        // A request without a response is cut off when the app stops. That is an outcome, too.
        const asked = await Promise.race([outcome(ask), pause(1_500)])
        const took = Math.round(performance.now() - started)
        const response = asked?.value
        ok(
          response !== undefined && took < 1_000,
          'a response soon after 200 ms',
          `there was none after ${took} ms`,
        )
        status(response, 503, 'a request while the store hangs')
        noCookie(f, response, 'a request while the store hangs')
      }
    },
  },
  {
    id: 'adapter/too-big',
    title: 'what is too big to be stored is an error before anything is sent [F15]',
    rule: 'maxBytes: more is an error at commit, before any write.',
    source: 'docs/design.md#commit, docs/requirements.md#f15, docs/requirements.md#c26',
    why: 'A page would claim to have saved what was thrown away.',
    skip: needsStart,
    async run(f) {
      const app = await f.start({ maxBytes: 100 })
      const response = await app.browser().post(`/set?k=a&v=${'x'.repeat(200)}`)
      status(response, 500, 'POST /set of too much')
      noCookie(f, response, 'POST /set of too much')
      equal(app.store.calls, [], 'the store calls')
    },
  },
]
