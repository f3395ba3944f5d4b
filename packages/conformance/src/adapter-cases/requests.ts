import { DoesNotApply } from '../case.ts'
import { equal, ok, show } from '../check.ts'
import { type HttpResponse, parseSetCookie, send, sendRaw } from './client.ts'
import { type AdapterCase, type AdapterFixture, needsStart } from './fixture.ts'
import { needsRoute, request } from './newer-routes.ts'
import { inFiveSeconds, newCookie, noCookie, pause, sessionCookies, status, vary } from './responses.ts'

const statusIn = (received: string): string | undefined => /^HTTP\/1\.1 (\d+)/.exec(received)?.[1]

/** What a server sends to a request that offers to go on by HTTP/2. */
async function offerHttp2(url: string, method: string): Promise<string> {
  const raw = sendRaw(url, [
    method,
    'Connection: Upgrade, HTTP2-Settings',
    'Upgrade: h2c',
    'HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA',
  ])
  let isOver = false
  void raw.ended.then(() => {
    isOver = true
  })
  const isUpgraded = () => raw.received().startsWith('HTTP/1.1 101')
  for (let waited = 0; waited < 2_000 && !isOver && !isUpgraded(); waited += 10) await pause(10)
  raw.destroy()
  return raw.received()
}

const cookieFrom = (f: AdapterFixture, response: HttpResponse) =>
  sessionCookies(f, response)
    .map(({ name, value }) => `${name}=${value}`)
    .join('; ')

/** The request sets `k`, says that it did, and the next request finds it. */
async function saves(
  f: AdapterFixture,
  method: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<void> {
  const said = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  const what = [`${method} ${path}`, ...said].join(' with ')
  const first = await request(f, method, `${path}?k=a&v=1`, { headers })
  status(first, 200, what)
  newCookie(f, first, `the response to ${what}`)
  const cookie = cookieFrom(f, first)
  const found = await send(`${await f.url()}/get?k=a`, { cookie })
  equal(found.json['value'], 1, `the value that ${what} set`)
  // And again, in a session that is there.
  const second = await request(f, method, `${path}?k=a&v=2`, { cookie, headers })
  status(second, 200, `${what} in a session`)
  const kept = cookieFrom(f, second) || cookie
  const again = await send(`${await f.url()}/get?k=a`, { cookie: kept })
  equal(again.json['value'], 2, `the value that ${what} set in a session`)
}

/** Headers by which people tell requests that need no session, or so they think. */
const SKIPPED_BY: readonly Record<string, string>[] = [
  ...['image', 'style', 'script', 'font', 'empty'].map(kind => ({
    'sec-fetch-dest': kind,
    'sec-fetch-mode': 'no-cors',
  })),
  { 'sec-fetch-site': 'cross-site' },
  { 'sec-purpose': 'prefetch' },
  { purpose: 'prefetch' },
  { 'x-requested-with': 'XMLHttpRequest' },
  { accept: 'image/avif,image/webp,image/*' },
  { accept: 'application/json' },
  { origin: 'https://example.test', 'access-control-request-method': 'POST' },
  { 'user-agent': 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)' },
  { 'user-agent': 'kube-probe/1.31' },
]

const methodCases: readonly AdapterCase[] = ['PUT', 'PATCH', 'DELETE', 'OPTIONS'].map(method => ({
  id: `adapter/method-${method.toLowerCase()}`,
  title: `${method} saves as POST does`,
  rule: 'What was changed is saved, by whatever method: none is read-only to a session.',
  source: 'docs/conformance-space.md#an-adapter; Django SessionMiddleware.process_response',
  why: `A handler of ${method} would respond with 200, and what it changed would be gone.`,
  run: (f: AdapterFixture) => saves(f, method, '/set'),
}))

const pathCases: readonly AdapterCase[] = (
  [
    ['extension', '/set.css'],
    ['assets', '/assets/set.json'],
    ['deep', '/a/b/c/set'],
    ['icon', '/favicon.ico'],
    ['health', '/api/health'],
  ] as const
).map(([name, path]) => ({
  id: `adapter/path-${name}`,
  title: `a request of ${path} has its session, and saves it`,
  rule: 'A path says nothing of whether its handler uses the session.',
  source: 'docs/conformance-space.md#an-adapter',
  why: 'A page whose address looks like a file would log its visitors out, or forget what they did.',
  run: (f: AdapterFixture) => saves(f, 'POST', path),
}))

export const requestCases: readonly AdapterCase[] = [
  ...methodCases,
  ...pathCases,
  {
    id: 'adapter/method-head',
    title: 'HEAD gets the head of GET, without a body, and leaves the session as it is',
    rule: 'HEAD has the head of GET: Vary as well.',
    source: 'docs/conformance-space.md#an-adapter; RFC 9110 section 9.3.2',
    why: 'A link checker, or a cache that revalidates by HEAD, would hang, or log the visitor out.',
    async run(f) {
      const browser = await f.browser()
      await browser.post('/set?k=a&v=1')
      const options = { cookie: browser.header, signal: AbortSignal.timeout(5_000) }
      const response = await request(f, 'HEAD', '/get?k=a', options)
      status(response, 200, 'HEAD /get')
      equal(response.body, '', 'the body of HEAD /get')
      ok(
        vary(response).includes('cookie'),
        'Vary: Cookie in the response to HEAD /get',
        show(response.headers['vary']),
      )
      equal(await browser.value('a'), 1, 'the value after HEAD /get')
    },
  },
  {
    id: 'adapter/own-several',
    title: 'several cookies and several Vary of the app itself all stay beside those of the session [C29]',
    rule: 'Append Set-Cookie, merge Vary; replace nothing, and split nothing at a comma.',
    source:
      'docs/requirements.md#c29, docs/requirements.md#a19, docs/conformance-space.md#an-adapter; RFC 6265 section 3 (no folding of Set-Cookie)',
    why: 'The site’s other cookies would vanish, or be cut at the comma of their date, whenever the session is saved.',
    async run(f) {
      const response = await request(f, 'POST', '/own-several?k=a&v=1')
      newCookie(f, response, 'the response to POST /own-several')
      const own = response.setCookies.filter(({ name }) => name === 'one' || name === 'two')
      equal(
        own.map(({ whole }) => whole).sort(),
        ['one=1; Expires=Wed, 21 Oct 2099 07:28:00 GMT; Path=/', 'one=2; Path=/other', 'two=a=b; Path=/'],
        'the app’s own cookies',
      )
      equal(
        [...new Set(vary(response))].sort(),
        ['accept', 'accept-encoding', 'cookie', 'origin'],
        'the names in Vary',
      )
    },
  },
  {
    id: 'adapter/foreign-response',
    title: 'a response that the app did not make, and cannot change, carries the session’s cookie',
    rule: 'Saved, and the cookie sent; or an error, and nothing saved. Make a response of your own of it.',
    source: 'docs/conformance-space.md#an-adapter; Fetch standard, "immutable" headers',
    why: 'A handler that hands on what fetch() gave would save a session whose key nobody gets, or break the response.',
    async run(f) {
      const response = await request(f, 'POST', '/foreign?k=a&v=1')
      status(response, 200, 'POST /foreign')
      equal(response.body, 'from elsewhere', 'the body of POST /foreign')
      equal(response.headers['x-foreign'], 'yes', 'the header of that response')
      newCookie(f, response, 'the response to POST /foreign')
      const found = await send(`${await f.url()}/get?k=a`, { cookie: cookieFrom(f, response) })
      equal(found.json['value'], 1, 'the value that POST /foreign set')
    },
  },
  {
    id: 'adapter/forwarded',
    title: 'a header that a client made up does not make the connection TLS',
    rule: 'Tell commit() by the framework’s own word, which knows the proxies that the app trusts.',
    source: 'docs/conformance-space.md#an-adapter; design section 4 (`secure`)',
    why: 'Anybody could have the site send cookies that the browser then drops.',
    async run(f) {
      const headers = { 'x-forwarded-proto': 'https', forwarded: 'proto=https', 'x-forwarded-ssl': 'on' }
      const plain = await send(`${await f.url()}/set?k=a&v=1`, { method: 'POST' })
      const forged = await send(`${await f.url()}/set?k=a&v=1`, { method: 'POST', headers })
      const secure = (response: HttpResponse) =>
        newCookie(f, response, 'the response to POST /set').attributes.has('secure')
      equal(secure(forged), secure(plain), 'whether the cookie is Secure')
    },
  },
  {
    id: 'adapter/not-modified',
    title: 'a response that the framework turns into 304 carries the cookie all the same',
    rule: 'The headers of the session are on the response that leaves.',
    source: 'docs/conformance-space.md#an-adapter; RFC 9110 section 15.4.5',
    why: 'A visitor whose browser has the page in its cache would be logged out in the middle of browsing.',
    skip: needsStart,
    async run(f) {
      const app = await f.start({ saveEveryRequest: true })
      const browser = app.browser()
      await browser.post('/set?k=a&v=1')
      const first = await browser.get('/get?k=a')
      const etag = first.headers['etag']
      const response = await send(`${app.url}/get?k=a`, {
        cookie: browser.header,
        headers: { 'if-none-match': etag ?? '*' },
      })
      ok(
        [200, 304, 412].includes(response.status),
        'GET /get with If-None-Match to respond with 200 or 304',
        String(response.status),
      )
      newCookie(f, response, `the response ${response.status} to GET /get with If-None-Match`)
    },
  },
  {
    id: 'adapter/with-body',
    title: 'a request with a body has its session, however the body is sent',
    rule: 'The session is opened from the headers; what the body does is the app’s.',
    source: 'docs/conformance-space.md#an-adapter',
    why: 'A form, an upload or a JSON request would hang, or lose the session.',
    async run(f) {
      const browser = await f.browser()
      await browser.post('/set?k=n&v=0')
      const json = { 'content-type': 'application/json' }
      const form = { 'content-type': 'application/x-www-form-urlencoded' }
      const requests: [Record<string, string>, string][] = [
        [json, '{"a":1}'],
        [form, 'a=1&k=other'],
        [{ ...form, 'transfer-encoding': 'chunked' }, 'a=1'],
        [{ 'content-type': 'text/plain' }, 'x'.repeat(100_000)],
      ]
      for (const [n, [headers, body]] of requests.entries()) {
        const what = `POST /set with a body of ${body.length} bytes (${headers['content-type']})`
        const response = await send(`${browser.url}/set?k=n&v=${n + 1}`, {
          method: 'POST',
          cookie: browser.header,
          headers,
          body,
          signal: AbortSignal.timeout(5_000),
        })
        ok(
          response.status !== 415,
          `the probe app to accept a body of any type, such as ${headers['content-type']}`,
          'its status was 415, before the handler ran',
        )
        status(response, 200, what)
        // Where the session is in the cookie, each save gives another.
        if (f.inCookie) for (const { name, value } of response.setCookies) browser.cookies.set(name, value)
        equal(await browser.value('n'), n + 1, `the value after ${what}`)
      }
    },
  },
  {
    id: 'adapter/bytes',
    title: 'a response that is no text arrives byte for byte, with the cookie',
    rule: 'Pass the body on as it is: do not read it as text.',
    source:
      'docs/conformance-space.md#an-adapter; Fetch standard, Response.text() replaces what is not UTF-8',
    why: 'Pictures and downloads would arrive broken, on those pages that set a cookie.',
    async run(f) {
      const expected = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString('hex')
      for (const path of ['/bytes?k=a&v=1', '/bytes?k=a&v=1&length']) {
        const url = (await f.url()) + path
        const response = await inFiveSeconds(`POST ${path}`, signal =>
          send(url, { method: 'POST', encoding: 'latin1', signal }),
        )
        needsRoute(response, 'POST /bytes')
        status(response, 200, `POST ${path}`)
        newCookie(f, response, `the response to POST ${path}`)
        equal(Buffer.from(response.body, 'latin1').toString('hex'), expected, `the bytes of POST ${path}`)
        equal(response.headers['content-type'], 'image/png', `Content-Type of POST ${path}`)
      }
    },
  },
  {
    id: 'adapter/with-body-slow-store',
    title: 'a body that arrives before the session is loaded is still there for the handler',
    rule: 'Leave the request’s body alone: do not read it, and do not let it flow (`resume`).',
    source:
      'docs/write-an-adapter.md#rules, docs/conformance-space.md#an-adapter; Node stream, readable.resume()',
    why: 'Over a store with a network, forms and uploads of logged-in visitors would be lost, and their handlers wait for ever.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      const browser = app.browser()
      await browser.post('/set?k=n&v=0')
      app.store.before = call => (call === 'read' ? pause(20) : undefined)
      const bodies = { 'application/json': '{"a":1}', 'application/x-www-form-urlencoded': 'a=1&k=other' }
      for (const [n, [type, body]] of Object.entries(bodies).entries()) {
        const what = `POST /set with a body (${type}) while the session is loaded`
        const response = await inFiveSeconds(what, signal =>
          send(`${app.url}/set?k=n&v=${n + 1}`, {
            method: 'POST',
            cookie: browser.header,
            headers: { 'content-type': type },
            body,
            signal,
          }),
        )
        status(response, 200, what)
        equal(await browser.value('n'), n + 1, `the value after ${what}`)
      }
    },
  },
  {
    id: 'adapter/request-headers',
    title: 'a request has its session, and saves it, whatever its headers say of its purpose',
    rule: 'Run for every request. Sec-Fetch-Dest, Accept, Sec-Purpose or the name of a robot say nothing of the session.',
    source: 'docs/conformance-space.md#an-adapter; Fetch Metadata Request Headers',
    why: 'A picture that keeps its answer in the session, such as a captcha, would be an error, or would forget it.',
    async run(f) {
      for (const headers of SKIPPED_BY) await saves(f, 'POST', '/set', headers)
    },
  },
  {
    id: 'adapter/offers-h2c',
    title:
      'a request that offers to go on by HTTP/2 is a request like any other, if the server does not take it up',
    rule: 'An `Upgrade` header is an offer. Only a request that the server has upgraded is an upgrade: ask `canHold`.',
    source: 'docs/conformance-space.md#an-adapter; RFC 9110 section 7.8, RFC 7540 section 3.2',
    why: 'A client that offers HTTP/2, such as curl --http2, would get an error for each change of its session.',
    async run(f) {
      const url = await f.url()
      const what = 'POST /set with `Upgrade: h2c`'
      // No handler of GET /none uses its session, so what is wrong there is the server's.
      const untouched = await offerHttp2(`${url}/none`, 'GET')
      if (statusIn(untouched) !== '200')
        throw new DoesNotApply('the server itself upgrades or rejects every request with `Upgrade`')
      const received = await offerHttp2(`${url}/set?k=a&v=1`, 'POST')
      equal(statusIn(received), '200', `the status of ${what}`)
      const [head = ''] = received.split('\r\n\r\n')
      const cookies = [...head.matchAll(/^set-cookie: (.*)$/gim)].map(([, whole = '']) =>
        parseSetCookie(whole),
      )
      const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
      ok(
        cookies.some(({ name }) => name.startsWith(f.cookieName)),
        `a session cookie in the response to ${what}`,
        'there was none',
      )
      const found = await send(`${url}/get?k=a`, { cookie })
      equal(found.json['value'], 1, `the value that ${what} set`)
    },
  },
  {
    id: 'adapter/many-failures',
    title: 'an app that has failed, thrown, and been left a hundred times works as before',
    rule: 'A request that ends in an error is over: it holds nothing.',
    source: 'docs/requirements.md#f26, docs/requirements.md#f28, docs/conformance-space.md#many-of-a-kind',
    why: 'Each failed request would take something along, until the site stands still.',
    skip: needsStart,
    async run(f) {
      const app = await f.start({ timeout: 500 })
      const browser = app.browser()
      await browser.post('/set?k=a&v=1')
      app.store.before = call => {
        if (call !== 'read') throw new Error('the store is down')
      }
      const failing = Array.from({ length: 60 }, async (_, n) => {
        const cookie = browser.header
        if (n % 3 === 0) return await send(`${app.url}/throw?k=a&v=9`, { method: 'POST', cookie })
        if (n % 3 === 1) return await send(`${app.url}/set?k=a&v=9`, { method: 'POST', cookie })
        const signal = AbortSignal.timeout(3 + n)
        return await send(`${app.url}/setslow?k=a&v=9&wait=100`, { method: 'POST', cookie, signal }).catch(
          () => undefined,
        )
      })
      for (const response of await Promise.all(failing)) {
        if (response)
          ok(response.status >= 500, 'a request whose save fails to be an error', String(response.status))
        if (response) noCookie(f, response, 'a request whose save fails')
      }
      await pause(150)
      app.store.before = undefined
      equal(await browser.value('a'), 1, 'the value when all is well again')
      const responses = await Promise.all(
        Array.from({ length: 30 }, (_, n) => browser.post(`/set?k=k${n}&v=${n}`)),
      )
      for (const response of responses) status(response, 200, 'POST /set when all is well again')
      equal(await browser.value('k29'), 29, 'a value that was set then')
    },
  },
  {
    id: 'adapter/left-after-change',
    title: 'what a handler changed is saved, though its client has left',
    rule: 'The request was carried out: its commit does not depend on who waits for the response.',
    source:
      'docs/requirements.md#f26, docs/conformance-space.md#an-adapter; Django: the response is made whoever reads it',
    why: 'A visitor who taps "log out" or "buy" and closes the tab would not be logged out, or would have bought nothing.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      const browser = app.browser()
      await browser.post('/set?k=a&v=1')
      const signal = AbortSignal.timeout(60)
      const left = send(`${app.url}/setslow?k=a&v=2&wait=150`, {
        method: 'POST',
        cookie: browser.header,
        signal,
      })
      await left.then(
        () => ok(false, 'the client to have left before the response', 'there was one'),
        () => undefined,
      )
      for (let waited = 0; waited < 2_000; waited += 50) {
        await pause(50)
        if ((await browser.value('a')) === 2) return
      }
      equal(await browser.value('a'), 2, 'the value that was set after the client had left')
    },
  },
]
