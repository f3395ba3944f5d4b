import { Agent } from 'node:http'
import { equal } from '../check.ts'
import { HttpBrowser, type HttpResponse, send } from './client.ts'
import { type AdapterCase, type AdapterFixture, needsStart, type StartedApp } from './fixture.ts'
import { withoutMeans } from './means.ts'
import { newCookie, sessionCookies, status } from './responses.ts'

/** Requests whose responses have a session cookie, in this order. The last one deletes it. */
const WITH_COOKIE: readonly [path: string, status: number][] = [
  ['/set?k=a&v=1', 200],
  ['/cycle', 200],
  ['/login?user=ann', 200],
  ['/expiry?seconds=300', 200],
  ['/flush', 200],
  ['/throw?k=a&v=1&status=404', 404],
  ['/redirect?k=a&v=2', 303],
  ['/cycle', 200],
  ['/stream?k=a&v=3&chunks=2', 200],
  ['/flush', 200],
]

const isSecure = (f: AdapterFixture, response: HttpResponse): boolean[] =>
  sessionCookies(f, response).map(({ attributes }) => attributes.has('secure'))

/** Every session cookie that this browser gets is Secure, or none is. */
async function allSecure(
  f: AdapterFixture,
  browser: HttpBrowser,
  secure: boolean,
  how: string,
): Promise<void> {
  for (const [path, expected] of WITH_COOKIE) {
    const response = await browser.post(path)
    const what = `POST ${path} ${how}`
    status(response, expected, what)
    // A second cookie of this session need not be sent where the browser has the first.
    const cookies = isSecure(f, response)
    equal(
      cookies,
      cookies.map(() => secure),
      `whether the session cookies of ${what} are Secure`,
    )
    if (path.startsWith('/set') || path === '/cycle' || path === '/flush')
      equal(cookies.length, 1, `the number of session cookies of ${what}`)
  }
}

const FROM_TLS = { 'x-forwarded-proto': 'https', 'x-forwarded-for': '203.0.113.7' }
const FROM_HTTP = { 'x-forwarded-proto': 'http', 'x-forwarded-for': '203.0.113.7' }

/** Starts an app, and notes what its hook `warning` gets. */
async function startWarned(
  start: NonNullable<AdapterFixture['https']>,
): Promise<{ app: StartedApp; told: unknown[] }> {
  const told: unknown[] = []
  return { app: await start({ hooks: { warning: ({ reason }) => void told.push(reason) } }), told }
}

/** What makes a connection secure: TLS, or the word of a proxy that the app trusts. */
export const secureCases: readonly AdapterCase[] = [
  {
    id: 'adapter/https-secure',
    title:
      'over TLS every session cookie is Secure, also one that deletes, and over plain HTTP none is [A20]',
    rule: 'Tell commit() whether the connection is TLS, by the framework’s own word, on every path to it.',
    source: 'docs/design.md#secure-auto, docs/requirements.md#a20, docs/conformance-space.md#an-adapter',
    why: 'The key would cross the network in the clear, or the cookie of a logout would not delete the one of the login.',
    skip: withoutMeans('https'),
    async run(f) {
      await allSecure(f, (await f.https!()).browser(), true, 'over TLS')
      await allSecure(f, (await f.start()).browser(), false, 'over plain HTTP')
    },
  },
  {
    id: 'adapter/https-found-again',
    title: 'over TLS a session is found again, on any path and after an error',
    rule: 'A request over TLS is opened, loaded and committed like any other.',
    source: 'docs/design.md#probe, docs/conformance-space.md#an-adapter',
    why: 'What works on the developer’s machine would fail on the real site.',
    skip: withoutMeans('https'),
    async run(f) {
      const app = await f.https!()
      const browser = app.browser()
      status(await browser.post('/set?k=a&v=1'), 200, 'POST /set over TLS')
      equal(await browser.value('a'), 1, 'the value that GET /get shows over TLS')
      status(await browser.post('/throw?k=a&v=2'), 500, 'POST /throw over TLS')
      equal(await browser.value('a'), 1, 'the value after an error over TLS')
      app.store.before = call => {
        if (call !== 'read') throw new Error('the store is down')
      }
      status(await browser.post('/set?k=a&v=3'), 503, 'POST /set over TLS while the store is down')
      app.store.before = undefined
      equal(await browser.value('a'), 1, 'the value after a failed save over TLS')
      equal((await app.browser().get('/all')).json['data'], {}, 'what another browser sees over TLS')
    },
  },
  {
    id: 'adapter/https-prefix',
    title: 'over TLS cookies named __Host- and __Secure- come as browsers demand, and go again [A10, A15]',
    rule: 'Pass the cookies of commit() on as they are. The name of the cookie is the engine’s.',
    source: 'docs/requirements.md#a10, docs/requirements.md#a15; RFC 6265bis section 4.1.3',
    why: 'Browsers drop such a cookie if an attribute is missing, so nobody could log in, or out.',
    skip: withoutMeans('https'),
    async run(f) {
      for (const name of ['__Host-probe', '__Secure-probe']) {
        const app = await f.https!({ cookie: { name, secure: true } })
        const browser = app.browser()
        const named = { ...f, cookieName: name }
        const made = newCookie(named, await browser.post('/set?k=a&v=1'), 'the response to POST /set')
        const attributesOf = ({ attributes }: typeof made) => ({
          secure: attributes.has('secure'),
          path: attributes.get('path'),
          domain: attributes.get('domain') ?? null,
        })
        const expected = { secure: true, path: '/', domain: null }
        equal(attributesOf(made), expected, `the attributes of ${name}`)
        equal(await browser.value('a'), 1, `the value that GET /get shows with ${name}`)
        const [gone, ...others] = (await browser.post('/flush')).setCookies
        equal([gone?.name, gone?.deletes], [name, true], 'the cookie that POST /flush deletes')
        equal(gone && attributesOf(gone), expected, `the attributes of the cookie that deletes ${name}`)
        equal(others.length, 0, 'the number of other cookies of POST /flush')
      }
    },
  },
  {
    id: 'adapter/https-forwarded',
    title: 'over TLS a header that a client made up neither makes the cookie insecure nor calls `warning`',
    rule: 'Tell commit() by the framework’s own word, which reads such a header only from a proxy that the app trusts.',
    source: 'docs/design.md#secure-auto, docs/requirements.md#a20, docs/conformance-space.md#an-adapter',
    why: 'A client, or whoever gets it to send a header, could have the key sent without Secure.',
    skip: withoutMeans('https'),
    async run(f) {
      const { app, told } = await startWarned(f.https!)
      for (const headers of [FROM_HTTP, FROM_TLS, { forwarded: 'proto=http', 'x-forwarded-ssl': 'off' }]) {
        const response = await send(`${app.url}/login?user=ann`, { method: 'POST', headers })
        equal(isSecure(f, response), [true], `whether the cookie is Secure with ${JSON.stringify(headers)}`)
      }
      equal(told, [], 'the events of the hook `warning`')
    },
  },
  {
    id: 'adapter/proxy-https',
    title: 'behind a trusted proxy that got the request over TLS every session cookie is Secure [A20]',
    rule: 'Tell commit() by the framework’s own word (`req.secure`, `ctx.secure`, `request.protocol`), not by the socket.',
    source: 'docs/design.md#secure-auto, docs/running.md#cookie-not-secure-behind-nginx-trust-proxy',
    why: 'Behind nginx or a load balancer no cookie would be Secure, whatever the app is told.',
    skip: withoutMeans('proxy'),
    async run(f) {
      const { app, told } = await startWarned(f.proxy!)
      await allSecure(f, new HttpBrowser(app.url, FROM_TLS), true, 'behind a proxy that got it over TLS')
      equal(told, [], 'the events of the hook `warning`')
    },
  },
  {
    id: 'adapter/proxy-http',
    title: 'behind a trusted proxy that got the request over http no session cookie is Secure',
    rule: 'To trust a proxy is to believe both of its words. It does not make every request secure.',
    source: 'docs/design.md#secure-auto, docs/conformance-space.md#an-adapter',
    why: 'A visitor of the http site would get a cookie that the browser drops, and could not log in.',
    skip: withoutMeans('proxy'),
    async run(f) {
      const app = await f.proxy!()
      await allSecure(f, new HttpBrowser(app.url, FROM_HTTP), false, 'behind a proxy that got it over http')
      await allSecure(f, app.browser(), false, 'from inside, without a proxy')
    },
  },
  {
    id: 'adapter/proxy-connection',
    title: 'on one connection of a trusted proxy each request is as secure as its own visitor’s',
    rule: 'Whether a connection is TLS belongs to the request, never to the socket or the process.',
    source: 'docs/requirements.md#i3, docs/conformance-space.md#an-adapter',
    why: 'Proxies send the requests of many visitors on one connection: the first would decide for all.',
    skip: withoutMeans('proxy'),
    async run(f) {
      const app = await f.proxy!()
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      try {
        const seen: boolean[][] = []
        for (const headers of [FROM_TLS, FROM_HTTP, FROM_TLS])
          seen.push(isSecure(f, await send(`${app.url}/set?k=a&v=1`, { method: 'POST', headers, agent })))
        equal(seen, [[true], [false], [true]], 'whether the cookies of three requests are Secure')
      } finally {
        agent.destroy()
      }
    },
  },
  {
    id: 'adapter/proxy-untrusted',
    title: 'an app that trusts no proxy takes nobody’s word for it, on no path to the response [A20]',
    rule: 'Without trust a header says nothing. The same app would be secure if it trusted the proxy.',
    source: 'docs/design.md#secure-auto, docs/requirements.md#a20, docs/conformance-space.md#an-adapter',
    why: 'Anybody could have the site send cookies that the browser then drops.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      await allSecure(f, new HttpBrowser(app.url, FROM_TLS), false, 'with a header that nobody trusts')
    },
  },
]
