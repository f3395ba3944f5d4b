import { equal, ok } from '../check.ts'
import { HttpBrowser, send } from './client.ts'
import { type AdapterCase, needsStart } from './fixture.ts'
import { request } from './requests.ts'
import { newCookie, noCookie, pause, sessionCookies } from './responses.ts'

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
