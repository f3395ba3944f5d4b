import { DoesNotApply } from '../case.ts'
import { equal, ok } from '../check.ts'
import type { ProbeStep } from '../probe-hook.ts'
import { type HttpResponse, send } from './client.ts'
import type { AdapterCase, StartedApp } from './fixture.ts'
import { withoutMeans } from './means.ts'
import { needsRoute } from './newer-routes.ts'
import { cacheControl, inFiveSeconds, newCookie, noCookie, status, vary } from './responses.ts'
import { down } from './watched-store.ts'

/** What a middleware adds: two cookies of one name, and a `Vary` of its own. */
const marked = (name: string): ProbeStep['headers'] => [
  ['set-cookie', `${name}=1; Path=/`],
  ['set-cookie', `${name}=2; Path=/other`],
  ['vary', `X-${name}`],
]

/** Fails unless all that `marked` added arrived. */
function marksOf(response: HttpResponse, names: readonly string[], what: string): void {
  if (names.includes('below') && ownCookies(response, 'below').length === 0)
    ok(
      ownCookies(response, 'above').length < 4,
      `the middleware below the session to get the session, at ${what}`,
      'it got none: what the one above adds came twice. Mount it below, and pass the session as second argument of `hook`',
    )
  for (const name of names) {
    equal(ownCookies(response, name), ['1', '2'], `the cookies \`${name}\` of ${what}`)
    equal(vary(response).includes(`x-${name}`), true, `whether Vary of ${what} names X-${name}`)
  }
}

function ownCookies({ setCookies }: HttpResponse, name: string): string[] {
  return setCookies.filter(cookie => cookie.name === name).map(({ value }) => value)
}

const postTo = (app: StartedApp, path: string, cookie: string | undefined, method = 'POST') =>
  inFiveSeconds(`${method} ${path}`, signal => send(app.url + path, { method, cookie, signal }))

const SOURCE = 'docs/conformance-space.md#an-adapter'

/** The app's own middleware, above that of the session and between that and the routes. */
export const hookCases: readonly AdapterCase[] = [
  {
    id: 'adapter/hook-headers',
    title: 'cookies and Vary that middleware set before the handler stay beside those of the session [C29]',
    rule: 'Append Set-Cookie and merge Vary into what is there when the response is sent, whoever has set it.',
    source: `docs/requirements.md#c29, docs/requirements.md#a19, ${SOURCE}`,
    why: 'The CSRF token or the language of the site would be lost whenever the session is saved.',
    skip: withoutMeans('before'),
    async run(f) {
      const app = await f.before!({
        above: () => ({ headers: marked('above') }),
        below: () => ({ headers: marked('below') }),
      })
      const browser = app.browser()
      const both = ['above', 'below']
      const none = await browser.get('/none')
      marksOf(none, both, 'GET /none')
      noCookie(f, none, 'GET /none')
      equal(vary(none).includes('cookie'), false, 'whether Vary of GET /none names Cookie')
      for (const path of ['/set?k=a&v=1', '/cycle', '/flush']) {
        const saved = await browser.post(path)
        marksOf(saved, both, `POST ${path}`)
        equal(vary(saved).includes('cookie'), true, `whether Vary of POST ${path} names Cookie`)
        equal(
          cacheControl(saved).includes('private'),
          true,
          `whether Cache-Control of POST ${path} says private`,
        )
      }
      const own = await browser.post('/own-several?k=a&v=2')
      marksOf(own, both, 'POST /own-several')
      equal(ownCookies(own, 'two'), ['a=b'], 'a cookie of the handler of POST /own-several')
      newCookie(f, own, 'the response to POST /own-several')
    },
  },
  {
    id: 'adapter/hook-public',
    title: 'what middleware above calls public is private once the response carries a session cookie [A19]',
    rule: '`private` into the Cache-Control that is there when the response is sent; `public` and `s-maxage` give way.',
    source: `docs/requirements.md#a19, ${SOURCE}; RFC 9111 sections 5.2.2.7 and 5.2.2.10`,
    why: 'A site that has all its pages cached would hand one visitor’s cookie to everybody.',
    skip: withoutMeans('before'),
    async run(f) {
      const headers: ProbeStep['headers'] = [['cache-control', 'public, s-maxage=600, max-age=60']]
      const app = await f.before!({ above: () => ({ headers }) })
      const browser = app.browser()
      const said = (response: HttpResponse) => [...cacheControl(response)].sort()
      const all = ['max-age=60', 'public', 's-maxage=600']
      const none = await browser.get('/none?above')
      // A fact about the framework, which only the author of the adapter knows.
      if (none.status === 501) throw new DoesNotApply(none.body)
      equal(said(none), all, 'what Cache-Control of GET /none says')
      for (const path of ['/set?k=a&v=1', '/cycle', '/redirect?k=b&v=2', '/flush']) {
        const response = await browser.post(path)
        const isOfVisitor = response.setCookies.some(({ name }) => name === f.cookieName)
        const expected = isOfVisitor ? ['max-age=60', 'private'] : all
        equal(said(response), expected, `what Cache-Control of POST ${path} says`)
      }
    },
  },
  {
    id: 'adapter/hook-vary-of-body',
    title: 'Vary of middleware is still there beside Cookie where the body is the session [A19]',
    rule: 'Merge Cookie into the Vary that is there, also if the session is read after the commit.',
    source: `docs/requirements.md#a19, ${SOURCE}; ResponseInfo.readLate`,
    why: 'A cache would send a page in one language to the speakers of another.',
    skip: withoutMeans('before'),
    async run(f) {
      const headers: ProbeStep['headers'] = [['vary', 'Accept-Language']]
      for (const place of ['above', 'below'] as const) {
        const browser = (await f.before!({ [place]: () => ({ headers }) })).browser()
        await browser.post('/set?k=a&v=1')
        const response = await browser.get('/itself')
        needsRoute(response, 'GET /itself')
        equal(
          [...vary(response)].sort(),
          ['accept-language', 'cookie'],
          `Vary of GET /itself with middleware ${place}`,
        )
      }
    },
  },
  {
    id: 'adapter/hook-handler-wins',
    title: 'what the handler says of its response stays, though middleware above had said something else',
    rule: 'To look at the headers of middleware above must not make a response of them that the framework merges later.',
    source: `docs/requirements.md#c29, ${SOURCE}; Hono: \`c.res\` that was read is merged into the response of the handler`,
    why: 'A page that its handler calls `no-store` would be kept by caches, because the site is cached by default.',
    skip: withoutMeans('before'),
    async run(f) {
      const above = (query: URLSearchParams): Partial<ProbeStep> | undefined => {
        if (!query.has('above')) return undefined
        return {
          headers: [
            ['x-foreign', 'above'],
            ['cache-control', 'public, max-age=60'],
          ],
        }
      }
      const app = await f.before!({ above })
      const browser = app.browser()
      for (const what of ['the first', 'the second']) {
        const own = await browser.post('/own-headers?above&k=a&v=1&cache=no-store')
        // A fact about the framework, which only the author of the adapter knows.
        if (own.status === 501) throw new DoesNotApply(own.body)
        status(own, 200, `${what} POST /own-headers`)
        equal(
          cacheControl(own).includes('no-store'),
          true,
          `whether Cache-Control of ${what} POST /own-headers says no-store, as its handler does`,
        )
        const response = await browser.post('/foreign?above&k=a&v=2')
        if ([404, 405, 501].includes(response.status)) continue
        status(response, 200, `${what} POST /foreign`)
        const values = (response.headers['x-foreign'] ?? '').split(', ')
        ok(
          values.includes('yes'),
          `X-Foreign of ${what} POST /foreign to be that of the response which the handler returned`,
          `it was ${values.join(', ')}`,
        )
      }
    },
  },
  {
    id: 'adapter/hook-clear-site-data',
    title: 'what middleware asks the browser to delete stays beside what a logout asks for [C29, A23]',
    rule: 'Set each of `headers` to what `fieldValue` returns, given the value that is there.',
    source: `docs/requirements.md#c29, docs/design.md#clear-site-data, ${SOURCE}`,
    why: 'An app that has the cache deleted at logout would find it kept, or the data of the user.',
    skip: withoutMeans('before'),
    async run(f) {
      const headers: ProbeStep['headers'] = [['clear-site-data', '"cache"']]
      const asking = (place: string) => (query: URLSearchParams) =>
        query.get('asks') === place ? { headers } : undefined
      const app = await f.before!({ above: asking('above'), below: asking('below') })
      const browser = app.browser()
      const asked = (response: HttpResponse) =>
        (response.headers['clear-site-data'] ?? '').split(/\s*,\s*/).sort()
      for (const place of ['above', 'below']) {
        await browser.post('/set?k=user&v=ann')
        const what = `Clear-Site-Data of POST /flush below middleware that asks for "cache" (${place} the session)`
        equal(asked(await browser.post(`/flush?clear=storage&asks=${place}`)), ['"cache"', '"storage"'], what)
        await browser.post('/set?k=user&v=ann')
        equal(
          asked(await browser.post(`/flush?asks=${place}`)),
          ['"cache"'],
          `${what}, which asks for nothing`,
        )
      }
    },
  },
  {
    id: 'adapter/hook-responds-above',
    title: 'a response of middleware above the session is left alone, and asks no store',
    rule: 'A request that never reached the session has none: add nothing, load nothing, save nothing.',
    source: `docs/design.md#pay-for-use, docs/requirements.md#i4, ${SOURCE}`,
    why: 'A preflight of CORS, a health check or a cached page would fail, or get a cookie and not be cacheable any more.',
    skip: withoutMeans('before'),
    async run(f) {
      const above = (query: URLSearchParams): Partial<ProbeStep> | undefined =>
        query.has('above')
          ? { headers: marked('above'), answer: { status: 203, body: 'from above' } }
          : undefined
      const app = await f.before!({ above })
      const browser = app.browser()
      await browser.post('/set?k=a&v=1')
      app.store.calls.length = 0
      for (const cookie of [undefined, browser.header]) {
        for (const method of ['GET', 'POST', 'OPTIONS']) {
          const what = `${method} /set, which middleware above the session responds to`
          const response = await postTo(app, '/set?above&k=a&v=2', cookie, method)
          equal([response.status, response.body], [203, 'from above'], `the response to ${what}`)
          marksOf(response, ['above'], what)
          noCookie(f, response, what)
          equal(vary(response).includes('cookie'), false, `whether Vary of ${what} names Cookie`)
        }
      }
      equal(app.store.calls, [], 'the store calls of these requests')
      equal(await browser.value('a'), 1, 'the value after them')
    },
  },
  {
    id: 'adapter/hook-throws-above',
    title: 'an error that middleware throws above the session has its response, and asks no store',
    rule: 'A request that never reached the session has none, on the way of errors, too.',
    source: `docs/requirements.md#i4, ${SOURCE}`,
    why: 'A limit of requests, or a body that cannot be parsed, would be another error, or no response at all.',
    skip: withoutMeans('before'),
    async run(f) {
      const app = await f.before!({
        above(query) {
          if (query.has('above')) throw new Error('thrown above the session')
          return undefined
        },
      })
      const browser = app.browser()
      await browser.post('/set?k=a&v=1')
      app.store.calls.length = 0
      for (const cookie of [undefined, browser.header]) {
        const what = 'POST /set, whose middleware above the session throws'
        const response = await postTo(app, '/set?above&k=a&v=2', cookie)
        status(response, 500, what)
        noCookie(f, response, what)
      }
      equal(app.store.calls, [], 'the store calls of these requests')
      equal(await browser.value('a'), 1, 'the value after them')
    },
  },
  {
    id: 'adapter/hook-responds-below',
    title: 'what middleware below the session read and changed counts, though the handler never ran',
    rule: 'Commit the session of a response whoever sent it.',
    source: `docs/design.md#commit, docs/requirements.md#a19, ${SOURCE}`,
    why: 'A login that middleware handles would not be saved, and a page that it refused would be cached for everybody.',
    skip: withoutMeans('before'),
    async run(f) {
      const app = await f.before!({
        below(query, session) {
          if (query.get('below') === 'reads' && session.get('user') === undefined)
            return { headers: marked('below'), answer: { status: 401, body: 'log in first' } }
          if (query.get('below') !== 'logs-in') return undefined
          session.cycleKey()
          session.set('user', 'ann')
          return { headers: marked('below'), answer: { status: 201, body: 'logged in' } }
        },
      })
      const browser = app.browser()
      await browser.post('/set?k=a&v=1')
      app.store.calls.length = 0
      const refused = await browser.post('/set?below=reads&k=a&v=2')
      const what = 'POST /set, which middleware below the session refuses'
      equal([refused.status, refused.body], [401, 'log in first'], `the response to ${what}`)
      marksOf(refused, ['below'], what)
      noCookie(f, refused, what)
      equal(
        vary(refused).filter(name => name === 'cookie').length,
        1,
        `how often Vary of ${what} names Cookie`,
      )
      equal(app.store.calls, ['read'], `the store calls of ${what}`)
      const login = await browser.post('/set?below=logs-in&k=a&v=2')
      equal([login.status, login.body], [201, 'logged in'], 'the response of middleware that logs in')
      marksOf(login, ['below'], 'the response of middleware that logs in')
      newCookie(f, login, 'the response of middleware that logs in')
      equal((await browser.get('/all')).json['data'], { a: 1, user: 'ann' }, 'the data after that login')
      equal(
        (await browser.post('/set?below=reads&k=a&v=3')).status,
        200,
        'the status when the user is logged in',
      )
    },
  },
  {
    id: 'adapter/hook-throws-below',
    title: 'an error that middleware throws below the session saves nothing, and leaves the cookie alone',
    rule: 'Commit with the status of the error: from 500 on nothing is saved.',
    source: `docs/design.md#commit, docs/design.md#probe, ${SOURCE}`,
    why: 'Half of what a request was to do would be saved.',
    skip: withoutMeans('before'),
    async run(f) {
      const app = await f.before!({
        below(query, session) {
          if (!query.has('below')) return undefined
          session.set('a', 2)
          throw new Error('thrown below the session')
        },
      })
      const browser = app.browser()
      await browser.post('/set?k=a&v=1')
      for (const cookie of [undefined, browser.header]) {
        const what = 'POST /set, whose middleware below the session throws'
        const response = await postTo(app, '/set?below&k=b&v=1', cookie)
        status(response, 500, what)
        noCookie(f, response, what)
      }
      equal((await browser.get('/all')).json['data'], { a: 1 }, 'the data after them')
    },
  },
  {
    id: 'adapter/hook-rejects-below',
    title: 'an error below 500 that middleware throws is saved like any response, and from 500 on nothing is',
    rule: 'Commit with the status that is sent, which the framework makes of the error.',
    source: `docs/design.md#commit, docs/design.md#probe, ${SOURCE}`,
    why: 'The message that a refused visitor is to see after the login would be lost.',
    skip: withoutMeans('before'),
    async run(f) {
      const app = await f.before!({
        below(query, session) {
          if (!query.has('below')) return undefined
          session.set('refused', 1)
          throw Object.assign(new Error('refused'), { status: 403, statusCode: 403 })
        },
      })
      const browser = app.browser()
      const what = 'POST /set, whose middleware below the session throws a 403'
      const response = await browser.post('/set?below&k=b&v=1')
      const isRefused = response.status === 403
      // A framework may know errors of its own only, and send a 500.
      if (!isRefused) status(response, 500, what)
      if (isRefused) newCookie(f, response, `the response to ${what}`)
      else noCookie(f, response, what)
      equal(app.store.calls, isRefused ? ['insert'] : [], `the store calls of ${what}`)
      equal((await browser.get('/all')).json['data'], isRefused ? { refused: 1 } : {}, 'the data after it')
    },
  },
  {
    id: 'adapter/hook-load-fails',
    title:
      'while the store is down, middleware that uses the session gets a 503, and any other its response [F1, I5]',
    rule: 'The store’s error shows where the session is first used, in middleware as in a handler.',
    source: `docs/design.md#pay-for-use, docs/requirements.md#f1, docs/requirements.md#i5, ${SOURCE}`,
    why: 'A guard that looks for the user would take an outage for a logout, or the whole site would be down.',
    skip: withoutMeans('before'),
    async run(f) {
      const app = await f.before!({
        below(query, session) {
          if (query.get('below') === 'reads' && session.get('user') === undefined)
            return { answer: { status: 401, body: 'log in first' } }
          return query.has('below') ? { answer: { status: 200, body: 'for everybody' } } : undefined
        },
      })
      const browser = app.browser()
      await browser.post('/set?k=user&v=ann')
      app.store.before = down
      const used = await browser.get('/none?below=reads')
      status(used, 503, 'GET /none, whose middleware uses the session while the store is down')
      noCookie(f, used, 'GET /none, whose middleware uses the session while the store is down')
      const unused = await browser.get('/none?below=')
      equal(
        [unused.status, unused.body],
        [200, 'for everybody'],
        'the response of middleware that does not use the session while the store is down',
      )
      app.store.before = undefined
      equal(await browser.value('user'), 'ann', 'the user after the outage')
    },
  },
  {
    id: 'adapter/hook-failed-save',
    title:
      'with the error of a failed save goes what goes with any error of a handler, and nothing of the success [F2]',
    rule: 'Drop what was set since the session was opened. What middleware above has set is the framework’s to keep or drop.',
    source: `docs/requirements.md#f2, docs/requirements.md#c29, ${SOURCE}`,
    why: 'The error page would lack the headers that protect it, or carry the cookie of what did not happen.',
    skip: withoutMeans('before'),
    async run(f) {
      const app = await f.before!({ above: () => ({ headers: marked('above') }) })
      const browser = app.browser()
      const thrown = await browser.post('/throw?k=a&v=1')
      status(thrown, 500, 'POST /throw')
      app.store.before = call => (call === 'read' ? undefined : down())
      const what = 'POST /own-headers while the store is down'
      const failed = await postTo(app, '/own-headers?k=a&v=1', undefined)
      status(failed, 503, what)
      noCookie(f, failed, what)
      equal(ownCookies(failed, 'own'), [], `the cookie of the handler of ${what}`)
      equal(vary(failed).includes('accept'), false, `whether Vary of ${what} is that of the handler`)
      const isHandlers = cacheControl(failed).includes('max-age=60')
      equal(isHandlers, false, `whether Cache-Control of ${what} is that of the handler`)
      equal(ownCookies(failed, 'above'), ownCookies(thrown, 'above'), `the cookies \`above\` of ${what}`)
      equal(
        vary(failed).includes('x-above'),
        vary(thrown).includes('x-above'),
        `whether Vary of ${what} names X-above`,
      )
    },
  },
  {
    id: 'adapter/hook-headers-after',
    title: 'cookies and Vary that middleware adds after the handler stay beside those of the session [C29]',
    rule: 'The response stays one that others can change. Append to it, and do not send it by yourself.',
    source: `docs/requirements.md#c29, docs/requirements.md#a19, ${SOURCE}`,
    why: 'Middleware that adds a cookie or a header on the way out would fail, or drop the session’s cookie.',
    skip: withoutMeans('before'),
    async run(f) {
      const called: string[] = []
      // Not for the request that the handler of `/foreign` makes.
      const after = (name: string) => (query: URLSearchParams) =>
        query.has('marked')
          ? {
              after: () => {
                called.push(name)
                return marked(name)
              },
            }
          : undefined
      const app = await f.before!({ above: after('above'), below: after('below') })
      const browser = app.browser()
      for (const path of [
        '/set?marked&k=a&v=1',
        '/status/204?marked&k=a&v=2',
        '/constant?marked&k=a&v=3',
        '/foreign?marked&k=a&v=4',
      ]) {
        called.length = 0
        const response = await browser.post(path)
        if (path.startsWith('/set') && called.length === 0) throw new DoesNotApply(NOTHING_AFTER)
        if (response.status === 404) continue
        ok(response.status < 300, `POST ${path} to succeed`, `its status was ${response.status}`)
        marksOf(response, called, `POST ${path}`)
        if (path.startsWith('/set')) newCookie(f, response, `the response to POST ${path}`)
      }
      called.length = 0
      const flushed = await browser.post('/flush?marked')
      marksOf(flushed, called, 'POST /flush')
      equal(
        browser.header?.includes(`${f.cookieName}=`) ?? false,
        false,
        'whether the session’s cookie is still there',
      )
    },
  },
  {
    id: 'adapter/hook-throws-after',
    title: 'where middleware throws after the session was saved, the error carries its cookie',
    rule: 'Send the cookie of a commit that succeeded in any case, also with an error that comes later.',
    source: `docs/design.md#commit, ${SOURCE}`,
    why: 'A renewed key that does not arrive logs its visitor out.',
    skip: withoutMeans('before'),
    async run(f) {
      let called = false
      const app = await f.before!({
        above: query =>
          query.has('after')
            ? {
                after() {
                  called = true
                  throw new Error('thrown when the handler has responded')
                },
              }
            : undefined,
      })
      const browser = app.browser()
      await browser.post('/set?k=a&v=1')
      app.store.calls.length = 0
      const response = await browser.post('/cycle?after')
      if (!called) throw new DoesNotApply(NOTHING_AFTER)
      status(response, 500, 'POST /cycle, whose middleware throws afterwards')
      // A framework whose middleware runs before the commit has saved nothing.
      if (app.store.calls.includes('insert'))
        newCookie(f, response, 'that response, as the session has a new key')
      else noCookie(f, response, 'that response, as nothing was saved')
      equal(await browser.value('a'), 1, 'the value that this browser finds afterwards')
    },
  },
]

const NOTHING_AFTER = 'no middleware of this probe app adds anything when the handler has responded'
