import { DoesNotApply } from '../case.ts'
import { equal, ok } from '../check.ts'
import { HttpBrowser, pipelined, type SendOptions, send, sendRaw } from './client.ts'
import { type AdapterCase, needsStart, type StartedApp } from './fixture.ts'
import { noRoute, request } from './newer-routes.ts'
import { newCookie, noCookie, pause, sessionCookies, status } from './responses.ts'

/** What several visitors share, without any of them getting what is another's: the process, or a response. */
export const visitorsCases: readonly AdapterCase[] = [
  {
    id: 'adapter/same-connection',
    title: 'requests of one connection do not share a session [I3]',
    rule: 'A session belongs to a request, never to a connection or a process.',
    source: 'docs/requirements.md#i3',
    why: 'Behind a proxy that reuses connections, visitors would see each other’s sessions.',
    async run(f) {
      const { Agent } = await import('node:http')
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      try {
        const url = await f.url()
        const browser = new HttpBrowser(url)
        const set = await send(`${url}/set?k=user&v=ann`, { method: 'POST', agent })
        const cookie = sessionCookies(f, set)
          .map(({ name, value }) => `${name}=${value}`)
          .join('; ')
        equal((await send(`${url}/all`, { agent })).json['data'], {}, 'the data of a request without cookie')
        equal(
          (await send(`${url}/get?k=user`, { agent, cookie })).json['value'],
          'ann',
          'the user, with the cookie',
        )
        // Now the connection has had a request with a cookie.
        const next = await send(`${url}/all`, { agent })
        equal(next.json['data'], {}, 'the data of a request without cookie after one with it')
        equal((await browser.get('/all')).json['data'], {}, 'the data of another connection')
      } finally {
        agent.destroy()
      }
    },
  },
  {
    id: 'adapter/same-request-id',
    title: 'requests with one id that overlap have a session each, in one app and in two [I3]',
    rule: 'Keep what belongs to a request at the request object (a WeakMap, a property), and not by its id.',
    source:
      'docs/requirements.md#i3, docs/conformance-space.md#an-adapter; Fastify requestIdHeader and genReqId',
    why: 'Clients choose such ids, and counters begin anew with each app: a save would be left out, or made too early.',
    skip: needsStart,
    async run(f) {
      // The ids that a framework counts itself are the same in both apps, as long as neither had a request.
      const apps = [await f.start(), await f.start()]
      const headers = { 'x-request-id': 'the-same', 'request-id': 'the-same' }
      const rounds: { app: StartedApp; path: string; options: SendOptions }[][] = [
        apps.map((app, n) => ({ app, path: `/setslow?k=n&v=${n}&wait=${20 + 40 * n}`, options: {} })),
        [0, 1, 2].map(n => ({
          app: apps[0]!,
          path: `/setslow?k=n&v=${n}&wait=${20 + 40 * n}`,
          options: { headers },
        })),
      ]
      for (const round of rounds) {
        const responses = await Promise.all(
          round.map(({ app, path, options }) => send(app.url + path, { ...options, method: 'POST' })),
        )
        for (const [n, { app, path }] of round.entries()) {
          const what = `POST ${path}, which overlaps with another request`
          status(responses[n]!, 200, what)
          const { name, value } = newCookie(f, responses[n]!, `the response to ${what}`)
          const found = await send(`${app.url}/get?k=n`, { cookie: `${name}=${value}` })
          equal(found.json['value'], n, `the value that ${what} set`)
        }
      }
    },
  },
  {
    id: 'adapter/pipelined',
    title: 'requests that come in one packet each have their session, and their responses come in order [I3]',
    rule: 'A response that waits for the one before it has no socket yet. It is no stand-in.',
    source: 'docs/requirements.md#i3, docs/conformance-space.md#an-adapter; RFC 9112 section 9.3.2',
    why: 'A client that sends its requests without waiting would get errors, or the session of another request.',
    async run(f) {
      const url = await f.url()
      const none = { method: 'GET', path: '/none' }
      const plain = await pipelined(url, [none, none])
      if (plain.filter(response => response.startsWith('HTTP/1.1 200')).length < 2)
        throw new DoesNotApply('the server does not take several requests in one packet')
      const [ann, bob] = [await f.browser(), await f.browser()]
      await ann.post('/set?k=n&v=1001')
      await bob.post('/set?k=n&v=1002')
      const responses = await pipelined(url, [
        { method: 'POST', path: '/setslow?k=n&v=1003&wait=30' },
        { method: 'GET', path: '/get?k=n', cookie: ann.header },
        { method: 'POST', path: '/set?k=n&v=1004' },
        { method: 'GET', path: '/get?k=n', cookie: bob.header },
        { method: 'POST', path: '/set?k=more&v=1', cookie: ann.header },
      ])
      // Bun closes the connection if a handler of several requests waits. To an adapter the first of them is like any other.
      if (responses[0] === '')
        throw new DoesNotApply('the server responds to none of several requests in one packet')
      const what = 'of five requests in one packet'
      equal(
        responses.map(response => response.slice(0, 12)),
        Array(5).fill('HTTP/1.1 200'),
        `the statuses ${what}`,
      )
      equal(
        responses.map(response => /"value":(\d+)/.exec(response)?.[1]),
        [undefined, '1001', undefined, '1002', undefined],
        `the values that the responses ${what} show`,
      )
      for (const [n, value] of [
        [0, 1003],
        [2, 1004],
      ] as const) {
        const cookies = [...(responses[n] ?? '').matchAll(/^set-cookie: ([^;\r]+)/gim)].map(
          ([, pair]) => pair,
        )
        ok(cookies.length > 0, `a session cookie in response ${n + 1} ${what}`, 'there was none')
        const found = await send(`${url}/get?k=n`, { cookie: cookies.join('; ') })
        equal(found.json['value'], value, `the value that response ${n + 1} ${what} leads to`)
      }
      if (!f.inCookie) equal(await ann.value('more'), 1, 'the value that the last of them set')
    },
  },
  {
    id: 'adapter/many-visitors',
    title: 'twenty visitors at once each find their own session [I3]',
    rule: 'A response never carries another visitor’s session.',
    source: 'docs/requirements.md#i3',
    why: 'Under load visitors would see each other’s data.',
    async run(f) {
      const browsers = await Promise.all(Array.from({ length: 20 }, () => f.browser()))
      await Promise.all(
        browsers.map((browser, n) => browser.post(`/setslow?k=me&v=${n}&wait=${(n * 7) % 20}`)),
      )
      const seen = await Promise.all(browsers.map(browser => browser.value('me')))
      equal(
        seen,
        browsers.map((_, n) => n),
        'what twenty visitors find',
      )
    },
  },
  {
    id: 'adapter/visitors-at-once',
    title: 'of visitors whose sessions are loaded at the same time each has the session that is theirs',
    rule: 'A session belongs to its request, and to nothing that requests share.',
    source: 'docs/conformance-space.md#an-adapter, docs/requirements.md#i3',
    why: 'On a busy site visitors would be logged in as one another.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      const browsers = Array.from({ length: 6 }, () => app.browser())
      for (const [n, browser] of browsers.entries()) await browser.post(`/set?k=mine&v=${n}`)
      app.store.before = async call => {
        if (call === 'read') await pause(20)
      }
      const seen = await Promise.all(browsers.map(browser => browser.value('mine')))
      equal(seen, [...browsers.keys()], 'what six visitors read at once')
    },
  },
  {
    id: 'adapter/constant-response',
    title: 'a response that the app keeps for all visitors never holds the cookie of one',
    rule: 'A response that gets a cookie is a copy: the app may send the same object again.',
    source: 'docs/conformance-space.md#an-adapter',
    why: 'A visitor would get the cookie of the one before, and be logged in as somebody else.',
    async run(f) {
      const first = await request(f, 'POST', '/constant?k=a&v=1')
      const cookie = newCookie(f, first, 'the response to POST /constant')
      const second = await request(f, 'POST', '/constant?k=a&v=2')
      const values = sessionCookies(f, second).map(({ value }) => value)
      ok(!values.includes(cookie.value), 'another visitor not to get the first one’s cookie', 'it came again')
      const third = await request(f, 'POST', '/constant')
      noCookie(f, third, 'the response to POST /constant, which does not use the session')
    },
  },
  {
    id: 'adapter/left-body-closed',
    title: 'a body whose client has left is closed, also one that left with a cookie',
    rule: 'A copy of a response takes its body over. Do not `clone` it: a second half that nobody reads keeps the source open.',
    source: 'docs/requirements.md#f26, docs/conformance-space.md#an-adapter; WHATWG Streams, tee()',
    why: 'Each visitor who closes a tab would leave a file, a cursor or a connection open, until there are none left.',
    async run(f) {
      const browser = await f.browser()
      if ((await browser.get('/open-streams')).status !== 200)
        throw new DoesNotApply(noRoute('GET /open-streams'))
      const open = async () => Number((await browser.get('/open-streams')).json['open'])
      const before = await open()
      const known = await f.browser()
      await known.post('/set?k=a&v=1')
      const leave = async (what: string, headers: string[]) => {
        // An app that writes the pieces itself is through after a second.
        const raw = sendRaw(`${browser.url}/stream?k=a&v=1&chunks=200&wait=5`, ['POST', ...headers])
        for (let waited = 0; waited < 3_000 && !raw.received().includes('chunk 0'); waited += 10)
          await pause(10)
        ok(raw.received().includes('chunk 0'), `${what} to begin`, raw.received().slice(0, 40))
        raw.destroy()
        await raw.ended
      }
      await Promise.all([
        leave('a response with a cookie', []),
        leave('a response of a session that is there', [`Cookie: ${known.header}`]),
      ])
      for (let waited = 0; waited < 3_000 && (await open()) > before; waited += 50) await pause(50)
      const left = Math.max(0, (await open()) - before)
      equal(left, 0, 'the number of bodies that are open some time after their clients have left')
    },
  },
  {
    id: 'adapter/failed-body-closed',
    title: 'a body that is not sent, because the save failed, is closed',
    rule: 'Whoever drops a body closes it: its source holds a file, a cursor or a connection.',
    source: 'docs/conformance-space.md#an-adapter; WHATWG Streams, cancel()',
    why: 'Each failed save would leave a file or a cursor open, until there are none left.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      const browser = app.browser()
      const before = await browser.get('/open-streams')
      if (before.status === 200) await browser.post('/set?k=a&v=1')
      else await request(f, 'GET', '/open-streams')
      app.store.before = call => {
        if (call !== 'read') throw new Error('the store is down')
      }
      // An app that writes the pieces itself is through after a second.
      const failed = await browser.post('/stream?k=a&v=2&chunks=200&wait=5')
      app.store.before = undefined
      ok(failed.status >= 500, 'POST /stream whose save fails to be an error', String(failed.status))
      const open = async () => (await browser.get('/open-streams')).json['open']
      for (let waited = 0; waited < 3_000 && (await open()) !== 0; waited += 50) await pause(50)
      equal(await open(), 0, 'the number of streams that are open some time after the error')
    },
  },
]
