import { DoesNotApply } from '../case.ts'
import { equal, ok } from '../check.ts'
import { type HttpResponse, send } from './client.ts'
import { type AdapterCase, type AdapterFixture, needsStart } from './fixture.ts'
import { noRoute } from './newer-routes.ts'
import { cacheControl, newCookie, noCookie, sessionCookies, status, vary } from './responses.ts'

/** Routes that read: data, or `sessionKey` and `isEmpty` alone. */
const READS = ['/get?k=a', '/all', '/who']

/** What `GET /itself` sends, by `as`. */
const BODIES_OF_SESSION: readonly [as: string, bodyOf: (data: object) => object][] = [
  ['session', data => data],
  ['part', data => ({ me: data })],
  ['data', data => ({ me: data })],
]

/** What responses say of the session: cookies, Vary and Cache-Control, beside those of the app itself. */
export const cookieCases: readonly AdapterCase[] = [
  {
    id: 'adapter/untouched',
    title: 'a route that leaves the session alone gets no cookie, no Vary, no Cache-Control [I4, C13]',
    rule: 'No cookie and nothing written: no Set-Cookie, no Vary.',
    source:
      'docs/design.md#pay-for-use, docs/requirements.md#i4, docs/requirements.md#c13, docs/requirements.md#a19',
    why: 'Nothing could be cached, and bots would fill the store.',
    async run(f) {
      const browser = await f.browser()
      await browser.post('/set?k=a&v=1')
      for (const each of [await f.browser(), browser]) {
        const response = await each.get('/none')
        status(response, 200, 'GET /none')
        equal(response.body, 'ok', 'the body of GET /none')
        noCookie(f, response, 'GET /none')
        equal(vary(response).includes('cookie'), false, 'whether its Vary names Cookie')
        equal(cacheControl(response).includes('private'), false, 'whether its Cache-Control says private')
      }
    },
  },
  {
    id: 'adapter/cookie-by-request',
    title: 'the cookie can depend on the request: `cookie.byRequest` gets it, once for each request',
    rule: 'Pass the request of the framework to `sessions.open`, or to `begin`.',
    source: 'docs/design.md#cookie-by-request',
    why: 'An app with tenants would set the cookie of one tenant for another, or not start.',
    skip: needsStart,
    async run(f) {
      const requests: unknown[] = []
      const byRequest = (request: unknown) => {
        requests.push(request)
        return { path: requests.length === 1 ? '/' : '/other' }
      }
      const app = await f.start({ cookie: { byRequest } })
      const paths: (string | undefined)[] = []
      for (let n = 0; n < 2; n++) {
        const response = await app.browser().post('/set?k=a&v=1')
        status(response, 200, 'POST /set')
        paths.push(newCookie(f, response, 'the response to POST /set').attributes.get('path'))
      }
      equal(paths, ['/', '/other'], 'Path of the cookies, as `byRequest` said for each')
      equal(
        requests.map(request => typeof request),
        ['object', 'object'],
        'what `byRequest` got',
      )
      ok(requests[0] !== requests[1], 'a request of its own for each call', 'both got the same object')
    },
  },
  {
    id: 'adapter/request-of-framework',
    title: '`cookie.byRequest` gets the request of the framework, as handlers do',
    rule: 'Pass what handlers get (`req`, `ctx`, `event`, `c`) as `request`, and not what is below it.',
    source: 'docs/design.md#cookie-by-request, docs/conformance-space.md#an-adapter',
    why: 'What the app has noted on its request, such as the tenant, would be undefined, and the cookie a wrong one.',
    skip: needsStart,
    async run(f) {
      const requests: unknown[] = []
      const byRequest = (request: unknown) => {
        requests.push(request)
        return {}
      }
      const app = await f.start({ cookie: { byRequest } })
      if (!app.isRequest) throw new DoesNotApply('the setup of the probe app does not have `isRequest`')
      status(await app.browser().post('/set?k=a&v=1'), 200, 'POST /set')
      equal(
        requests.map(app.isRequest),
        [true],
        'whether `byRequest` got what `isRequest` of the probe app accepts',
      )
    },
  },
  {
    id: 'adapter/set-and-get',
    title: 'what one request sets, the next one of that browser finds, and no other',
    rule: 'Open from the cookie header, load, commit, append the cookie.',
    source: 'docs/design.md#probe, docs/requirements.md#i3',
    why: 'Logging in would not work, or log in others.',
    async run(f) {
      const [browser, stranger] = [await f.browser(), await f.browser()]
      const set = await browser.post('/set?k=user&v=ann')
      status(set, 200, 'POST /set')
      newCookie(f, set, 'the response to POST /set')
      equal(await browser.value('user'), 'ann', 'the value that GET /get shows')
      await browser.post(`/set?k=cart&v=${encodeURIComponent('[1,{"two":"ü"}]')}`)
      equal(
        (await browser.get('/all')).json['data'],
        { user: 'ann', cart: [1, { two: 'ü' }] },
        'what GET /all shows',
      )
      equal((await stranger.get('/all')).json['data'], {}, 'what GET /all shows another browser')
    },
  },
  {
    id: 'adapter/session-state',
    title: 'the session tells its key, and whether it was accessed, modified, or is empty',
    rule: 'JSON with { sessionKey, accessed, modified, isEmpty }.',
    source: 'docs/design.md#probe',
    why: 'Handlers that look at these flags would be misled.',
    async run(f) {
      const browser = await f.browser()
      const empty = (await browser.get('/get?k=a')).json
      const told = ({ sessionKey, accessed, modified, isEmpty }: Record<string, unknown>) => {
        return { hasKey: typeof sessionKey === 'string', accessed, modified, isEmpty }
      }
      equal(
        told(empty),
        { hasKey: false, accessed: true, modified: false, isEmpty: true },
        'a session without cookie',
      )
      equal(
        told((await browser.post('/set?k=a&v=1')).json)['modified'],
        true,
        '`modified` of a request that set',
      )
      const read = told((await browser.get('/get?k=a')).json)
      equal(
        read,
        { hasKey: true, accessed: true, modified: false, isEmpty: false },
        'a session that was read',
      )
    },
  },
  {
    id: 'adapter/read-only',
    title: 'a request that only reads says Vary: Cookie, once, and sets no cookie [A19]',
    rule: 'Merge Cookie into Vary if commit() says so, also where `accessed` is false: a key tells of the visitor, too.',
    source: 'docs/requirements.md#c13, docs/requirements.md#a19; CVE-2023-30861, CVE-2026-27205 Flask',
    why: 'A cache would show one visitor’s page to another.',
    async run(f) {
      const browser = await f.browser()
      for (const path of READS) {
        const anonymous = await browser.copy().get(path)
        noCookie(f, anonymous, `GET ${path} without a session`)
        equal(
          vary(anonymous).filter(name => name === 'cookie').length,
          1,
          `how often Vary names Cookie at ${path}`,
        )
      }
      await browser.post('/set?k=a&v=1')
      for (const path of READS) {
        const response = await browser.get(path)
        noCookie(f, response, `GET ${path}`)
        equal(
          vary(response).filter(name => name === 'cookie').length,
          1,
          `how often Vary names Cookie at ${path}`,
        )
      }
    },
  },
  {
    id: 'adapter/cookie-is-private',
    title: 'a response with a session cookie has Vary: Cookie and Cache-Control: private [A19]',
    rule: '`private` into Cache-Control where a cookie is sent, Cookie into Vary.',
    source: 'docs/requirements.md#c13, docs/requirements.md#a19; CVE-2026-35192 Django',
    why: 'A shared cache would hand one visitor’s cookie to everybody.',
    async run(f) {
      const browser = await f.browser()
      for (const path of ['/set?k=a&v=1', '/cycle', '/login?user=ann', '/flush']) {
        const response = await browser.post(path)
        ok(
          sessionCookies(f, response).length > 0,
          `a session cookie in the response to POST ${path}`,
          'there was none',
        )
        equal(
          vary(response).filter(name => name === 'cookie').length,
          1,
          `how often Vary names Cookie at ${path}`,
        )
        equal(
          cacheControl(response).includes('private'),
          true,
          `whether Cache-Control says private at ${path}`,
        )
      }
    },
  },
  {
    id: 'adapter/cookie-attributes',
    title:
      'the cookie is HttpOnly, SameSite=Lax, for Path=/, without Domain, and over plain HTTP without Secure [A10, A11, A20]',
    rule: 'Append out.setCookies as they are; tell commit whether the connection is TLS.',
    source:
      'docs/design.md#secure-auto, docs/requirements.md#a10, docs/requirements.md#a11, docs/requirements.md#a20, docs/requirements.md#c31',
    why: 'Browsers would drop the cookie, or scripts and other hosts could read it.',
    async run(f) {
      const browser = await f.browser()
      const cookie = newCookie(f, await browser.post('/set?k=a&v=1'), 'the response to POST /set')
      const { attributes } = cookie
      equal(attributes.has('httponly'), true, 'whether the cookie is HttpOnly')
      equal(attributes.get('samesite')?.toLowerCase(), 'lax', 'its SameSite')
      equal(attributes.get('path'), '/', 'its Path')
      equal(attributes.has('domain'), false, 'whether it has a Domain')
      equal(attributes.has('secure'), false, 'whether it is Secure, over plain HTTP,')
      equal(attributes.get('max-age'), '1209600', 'its Max-Age')
    },
  },
  {
    id: 'adapter/options',
    title: 'what the options say of the cookie is what the browser gets [C31]',
    rule: 'An adapter takes options or an engine, and changes none.',
    source: 'docs/requirements.md#c31; CVE-2022-39284 CodeIgniter, CVE-2023-28708 Tomcat',
    why: 'Security settings would be ignored without a word.',
    skip: needsStart,
    async run(f) {
      const cookie = {
        name: '__Secure-probe',
        path: '/',
        secure: true,
        sameSite: 'strict',
        httpOnly: false,
      } as const
      const app = await f.start({ cookie, age: 600 })
      const { setCookies } = await app.browser().post('/set?k=a&v=1')
      equal(
        setCookies.map(({ name }) => name),
        ['__Secure-probe'],
        'the cookies of the response',
      )
      const attributes = setCookies[0]?.attributes ?? new Map<string, string>()
      equal(attributes.has('secure'), true, 'whether the cookie is Secure')
      equal(attributes.get('samesite')?.toLowerCase(), 'strict', 'its SameSite')
      equal(attributes.has('httponly'), false, 'whether it is HttpOnly, which was switched off')
      equal(attributes.get('max-age'), '600', 'its Max-Age')
    },
  },
  {
    id: 'adapter/one-cookie-a-name',
    title: 'no response sets two cookies of one name [A14]',
    rule: 'Commit once, append once.',
    source: 'docs/requirements.md#a14; RFC 6265bis section 4.1.1',
    why: 'Which of the two wins is up to the browser, and the visitor logged in or out by chance.',
    async run(f) {
      const browser = await f.browser()
      const paths = [
        '/set?k=a&v=1',
        '/cycle',
        '/login?user=ann',
        '/throw?k=b&v=1&status=404',
        '/status/201?k=c&v=1',
      ]
      for (const path of [...paths, '/redirect?k=d&v=1', '/stream?k=e&v=1&chunks=2', '/flush']) {
        const names = (await browser.post(path)).setCookies.map(({ name }) => name)
        equal(names.length, new Set(names).size, `the number of different cookies of POST ${path}`)
      }
    },
  },
  {
    id: 'adapter/body-is-session',
    title: 'a body that is the session, or has it inside, says Vary: Cookie, once [A19]',
    rule: 'What makes JSON of the body reads the session. Merge Cookie into Vary also if that is after the commit.',
    source: 'docs/requirements.md#a19; ResponseInfo.readLate',
    why: 'A cache would show one visitor the session of another, word by word.',
    async run(f) {
      const browser = await f.browser()
      await browser.post('/set?k=a&v=1')
      for (const [as, bodyOf] of BODIES_OF_SESSION) {
        for (const [visitor, data] of [
          [browser, { a: 1 }],
          [await f.browser(), {}],
        ] as const) {
          const response = await visitor.get(`/itself?as=${as}`)
          if (response.status === 404) throw new DoesNotApply(noRoute('GET /itself'))
          const what = `GET /itself?as=${as}`
          status(response, 200, what)
          equal(response.json, bodyOf(data), `the body of ${what}`)
          noCookie(f, response, what)
          equal(
            vary(response).filter(name => name === 'cookie').length,
            1,
            `how often Vary names Cookie at ${what}`,
          )
        }
      }
    },
  },
  {
    id: 'adapter/several-cookies',
    title: 'every Set-Cookie of the engine arrives, none replaces another [A13]',
    rule: 'Append what the engine returns: it may be several.',
    source: 'docs/design.md#cookie-chunks',
    why: 'A big cookie session would arrive in part, which is not at all.',
    skip: needsStart,
    async run(f) {
      const store = {
        seal: (record: object) => encodeURIComponent(JSON.stringify(record)),
        unseal: (token: string) => JSON.parse(decodeURIComponent(token)),
      }
      const app = await f.start({
        store,
        secret: 'a secret for this case alone, long enough',
        cookie: { maxBytes: 12_288 },
      })
      const browser = app.browser()
      const big = 'x'.repeat(10_000)
      const response = await browser.post(`/set?k=big&v=${big}`)
      ok(
        response.setCookies.length >= 3,
        'at least three cookies for 10,000 characters',
        `${response.setCookies.length} came`,
      )
      equal(await browser.value('big'), big, 'the value that GET /get shows')
    },
  },
  {
    id: 'adapter/own-headers',
    title: 'cookies, Vary and Cache-Control of the app itself stay beside those of the session [C29]',
    rule: 'Append Set-Cookie, merge Vary and Cache-Control; replace nothing.',
    source: 'docs/requirements.md#c29, docs/requirements.md#a19; CVE-2025-7339 on-headers',
    why: 'Another cookie of the site, a CSRF token say, would vanish whenever the session is saved.',
    async run(f) {
      const response = await ownHeaders(f, 'Accept', 'max-age=60')
      const own = response.setCookies.filter(({ name }) => name === 'own').map(({ value }) => value)
      equal(own, ['1'], 'the values of the app’s own cookie')
      equal([...vary(response)].sort(), ['accept', 'cookie'], 'the names in Vary')
      equal([...cacheControl(response)].sort(), ['max-age=60', 'private'], 'what Cache-Control says')
    },
  },
  {
    id: 'adapter/own-public',
    title: 'a response that the app calls public is private once it carries a session cookie [A19]',
    rule: '`private` into Cache-Control where a cookie is sent; `public` and `s-maxage`, which say the contrary, give way.',
    source:
      'docs/requirements.md#a19; RFC 9111 sections 5.2.2.7, 5.2.2.9 and 5.2.2.10; privateCache of @sess/core/adapter',
    why: 'Caches that go by `public` or `s-maxage` would hand one visitor’s cookie to everybody.',
    async run(f) {
      const response = await ownHeaders(f, 'Accept', 'public, s-maxage=600, max-age=60')
      equal([...cacheControl(response)].sort(), ['max-age=60', 'private'], 'what Cache-Control says')
    },
  },
  {
    id: 'adapter/own-vary-any',
    title: 'the app’s own Vary: * stays as it is [A19]',
    rule: 'Merge Cookie into Vary; `*` covers it.',
    source: 'docs/requirements.md#a19; RFC 9110 section 12.5.5; varyByCookie of @sess/core/adapter',
    why: 'A cache that does not understand `*, Cookie` might keep what the app wants nobody to keep.',
    async run(f) {
      equal(vary(await ownHeaders(f, '*', 'max-age=60')), ['*'], 'the names in Vary')
    },
  },
  {
    id: 'adapter/own-vary-alike',
    title:
      'a Vary of the app’s own that only looks like Cookie gets Cookie beside it, and one that has it gets no second [A19]',
    rule: 'Names in Vary are compared whole, and in any case.',
    source: 'docs/requirements.md#a19, docs/conformance-space.md#an-adapter; RFC 9110 section 12.5.5',
    why: 'A page of one visitor would be served to all from a cache, because the name of another header has "cookie" in it.',
    async run(f) {
      for (const own of [
        'X-Cookie-Consent',
        'Set-Cookie-Mode',
        'Cookies',
        'Cookie2, X-Cookie',
        'cookie',
        'Accept,COOKIE',
        'X-Cookie-Consent,Accept , cookie',
      ]) {
        const expected = own.split(',').map(name => name.trim().toLowerCase())
        if (!expected.includes('cookie')) expected.push('cookie')
        const names = vary(await ownHeaders(f, own, 'max-age=60'))
        equal([...names].sort(), expected.sort(), `the names in Vary beside the app’s own ${own}`)
      }
    },
  },
  {
    id: 'adapter/forgotten-proxy',
    title: 'a login over http that a proxy got over https calls the hook `warning` [A20]',
    rule: 'Tell commit how the browser asked: `target: () => ({ host, path, forwardedProto })`.',
    source: 'docs/requirements.md#a20; docs/running.md (cookie not secure behind nginx); ResponseInfo.target',
    why: 'Behind a proxy that nobody trusts all cookies lack Secure, and nobody notices.',
    skip: needsStart,
    async run(f) {
      const told: unknown[] = []
      const app = await f.start({ hooks: { warning: ({ reason }) => void told.push(reason) } })
      const headers = { 'x-forwarded-proto': 'https' }
      const login = await send(`${app.url}/login?user=ann`, { method: 'POST', headers })
      const { attributes } = newCookie(f, login, 'the response to POST /login')
      equal(attributes.has('secure'), false, 'whether the cookie is Secure, as the proxy is not trusted')
      equal(told, ['trust-proxy'], 'the events of the hook `warning`')
    },
  },
]

/** A response with headers of the app's own beside the session's. */
async function ownHeaders(f: AdapterFixture, vary: string, cacheControl: string): Promise<HttpResponse> {
  const browser = await f.browser()
  const own = new URLSearchParams({ vary, cache: cacheControl })
  const response = await browser.post(`/own-headers?k=a&v=1&${own}`)
  status(response, 200, 'POST /own-headers')
  newCookie(f, response, 'the response to POST /own-headers')
  return response
}
