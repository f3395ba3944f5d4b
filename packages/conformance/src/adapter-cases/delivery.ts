import { DoesNotApply } from '../case.ts'
import { equal, ok, outcome } from '../check.ts'
import { send, sendRaw } from './client.ts'
import { type AdapterCase, needsStart } from './fixture.ts'
import {
  inFiveSeconds,
  newCookie,
  noCookie,
  pause,
  privateCookie,
  status,
  variesByCookie,
} from './responses.ts'
import type { Call } from './watched-store.ts'

/** A store that is slow until the case lets go. */
function gate(calls: readonly Call[]) {
  const opened = Promise.withResolvers<void>()
  const called = Promise.withResolvers<void>()
  const before = async (call: Call) => {
    if (!calls.includes(call)) return
    called.resolve()
    await opened.promise
  }
  return { before, called: called.promise, open: () => opened.resolve() }
}

/** Responses that somebody may want to let pass at once. */
const STREAM_TYPES = ['text/event-stream', 'application/octet-stream', 'application/x-ndjson', 'image/png']

/** What reaches the client, and when: never before the session is in the store. */
export const deliveryCases: readonly AdapterCase[] = [
  {
    id: 'adapter/saved-before-first-byte',
    title: 'the client sees no byte of the response before the session is in the store [I2]',
    rule: 'Saved before the first byte, streaming responses included.',
    source: 'docs/design.md#saved-first; express-session: leaves at 38 ms, saved at 234 ms',
    why: 'The page after a redirect would not know yet that the visitor is logged in.',
    skip: needsStart,
    async run(f) {
      for (const path of [
        '/set?k=a&v=1',
        '/redirect?k=a&v=1',
        '/stream?k=a&v=1&chunks=2',
        '/status/204?k=a&v=1',
      ]) {
        const app = await f.start()
        const { before, called, open } = gate(['insert'])
        app.store.before = before
        const raw = sendRaw(app.url + path, ['POST'])
        await Promise.race([called, raw.ended, pause(5_000)])
        await pause(40)
        const early = raw.received()
        open()
        await raw.ended
        equal(early, '', `what arrived of POST ${path} while the store was saving`)
        ok(/^HTTP\/1.1 [23]/.test(raw.received()), `POST ${path} to succeed`, raw.received().slice(0, 20))
        ok(
          /set-cookie: sessionid=/i.test(raw.received()),
          `the cookie in the response to POST ${path}`,
          'it was missing',
        )
      }
    },
  },
  {
    id: 'adapter/removed-before-first-byte',
    title: 'the client sees no byte of a logout before the record is removed [A23]',
    rule: 'On logout removes the record before the first byte.',
    source: 'docs/requirements.md#a23; ASVS5 7.4.1',
    why: 'A visitor who was told that she is logged out would not be.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      const browser = app.browser()
      await browser.post('/set?k=a&v=1')
      const { before, called, open } = gate(['remove'])
      app.store.before = before
      const raw = sendRaw(`${app.url}/flush`, ['POST', `Cookie: ${browser.header}`])
      await Promise.race([called, raw.ended, pause(5_000)])
      await pause(40)
      const early = raw.received()
      open()
      await raw.ended
      equal(early, '', 'what arrived of POST /flush while the store was removing')
      ok(/^HTTP\/1.1 200/.test(raw.received()), 'POST /flush to succeed', raw.received().slice(0, 20))
    },
  },
  {
    id: 'adapter/redirect',
    title: 'a redirect carries the cookie, and the page behind it finds the value',
    rule: 'Sets, then 303 to /get?k=.',
    source: 'docs/design.md#probe',
    why: 'Logging in and being sent on would lose the login.',
    async run(f) {
      for (let round = 0; round < 10; round++) {
        const browser = await f.browser()
        const response = await browser.post(`/redirect?k=n&v=${round}`)
        status(response, 303, 'POST /redirect')
        privateCookie(f, response, 'the response to POST /redirect')
        const location = new URL(response.headers['location'] ?? '', browser.url)
        equal(
          (await browser.get(location.pathname + location.search)).json['value'],
          round,
          'the value behind it',
        )
      }
    },
  },
  {
    id: 'adapter/stream',
    title: 'a stream arrives whole, in order and as it is written, with the session in its head [F27]',
    rule: 'Streaming responses are held until the commit, and no longer; their bytes are unchanged.',
    source: 'docs/design.md#probe, docs/requirements.md#f27',
    why: 'Server-sent events would arrive all at once at the end, or the session not at all.',
    async run(f) {
      const browser = await f.browser()
      const response = await browser.post('/stream?k=user&v=ann&chunks=4&wait=100')
      status(response, 200, 'POST /stream')
      privateCookie(f, response, 'the response to POST /stream')
      const lines = response.body.trim().split('\n')
      equal(lines.length, 4, 'the number of lines of four chunks')
      equal([...lines].sort(), lines, 'the lines in their order')
      equal(new Set(lines).size, 4, 'the number of different lines')
      const [first, last] = [response.chunks[0]?.at ?? 0, response.chunks.at(-1)?.at ?? 0]
      ok(
        last - first > 150,
        'the first chunk to arrive long before the last, 300 ms',
        `it was ${Math.round(last - first)} ms`,
      )
      equal(await browser.value('user'), 'ann', 'the value that was set before the first chunk')
    },
  },
  {
    id: 'adapter/stream-types',
    title:
      'a stream of events, of bytes or of a picture has the session in its head as any other response [F27]',
    rule: 'Saved before the first byte, whatever the response is.',
    source: 'docs/design.md#saved-first, docs/requirements.md#f27; docs/conformance-space.md#an-adapter',
    why: 'A login by a page of server-sent events would leave no cookie, and its failed save no error.',
    async run(f) {
      for (const type of STREAM_TYPES) {
        const browser = await f.browser()
        const path = `/stream?k=user&v=ann&chunks=1&type=${encodeURIComponent(type)}`
        const response = await browser.post(path)
        status(response, 200, `POST /stream of ${type}`)
        if (!response.headers['content-type']?.startsWith(type))
          throw new DoesNotApply('the probe app ignores `type` of POST /stream')
        privateCookie(f, response, `the response to POST /stream of ${type}`)
        equal(await browser.value('user'), 'ann', `the value that was set before a stream of ${type}`)
      }
    },
  },
  {
    id: 'adapter/late-change',
    title: 'a change after the first byte is an error, never a silent loss [F27]',
    rule: 'Once it has begun, a change throws SessionCommittedError.',
    source: 'docs/design.md#probe; koa, fastify and h3 drop it without a word',
    why: 'A programmer would believe that something was saved.',
    async run(f) {
      const browser = await f.browser()
      await browser.post('/set?k=user&v=ann')
      const response = await browser.get('/latestream?k=late&v=1')
      ok(
        response.body.trimEnd().endsWith('SESSION_COMMITTED'),
        'the second chunk of GET /latestream to be SESSION_COMMITTED',
        `the body was ${JSON.stringify(response.body.slice(0, 100))}`,
      )
      equal((await browser.get('/all')).json['data'], { user: 'ann' }, 'the data after it')
    },
  },
  {
    id: 'adapter/status-saves',
    title: 'a status below 500 saves, and carries the cookie, Vary and Cache-Control: 201, 400, 404, 422',
    rule: 'Commit with the status that really leaves: below 500 what was modified is saved.',
    source:
      'docs/design.md#django, docs/design.md#commit, docs/requirements.md#a19; Django SessionMiddleware; RFC 9110 section 15.1: caches keep a 404',
    why: '"Wrong password, 2 tries left" would be forgotten.',
    async run(f) {
      for (const code of [201, 400, 404, 422]) {
        const browser = await f.browser()
        const response = await browser.post(`/status/${code}?k=n&v=${code}`)
        status(response, code, `POST /status/${code}`)
        privateCookie(f, response, `the response to POST /status/${code}`)
        equal(await browser.value('n'), code, `the value set with status ${code}`)
        const again = await browser.post(`/status/${code}?k=n&v=0`)
        status(again, code, `POST /status/${code} in a session`)
        variesByCookie(again, `the response to POST /status/${code} in a session`)
      }
    },
  },
  {
    id: 'adapter/status-empty',
    title: '204 and 304 save, carry the cookie, Vary and Cache-Control, and stay without a body [F27]',
    rule: 'Before the response’s headers leave, whatever they are.',
    source: 'docs/requirements.md#f27',
    why: 'What a page saves in the background would be forgotten.',
    async run(f) {
      for (const code of [204, 304]) {
        const browser = await f.browser()
        const response = await browser.post(`/status/${code}?k=n&v=${code}`)
        status(response, code, `POST /status/${code}`)
        equal(response.body, '', `the body of ${code}`)
        privateCookie(f, response, `the response to POST /status/${code}`)
        equal(await browser.value('n'), code, `the value set with status ${code}`)
        const again = await browser.post(`/status/${code}?k=n&v=0`)
        status(again, code, `POST /status/${code} in a session`)
        variesByCookie(again, `the response to POST /status/${code} in a session`)
      }
    },
  },
  {
    id: 'adapter/head',
    title: 'a HEAD request saves, carries the cookie, and stays without a body',
    rule: 'Before the response’s headers leave, whatever the method. A HEAD is what a GET would be, without its body.',
    source: 'docs/requirements.md#f27; RFC 9110 section 9.3.2',
    why: 'Frameworks serve a HEAD with the GET route and drop its body: an adapter that waits for the body saves nothing.',
    async run(f) {
      const browser = await f.browser()
      await browser.post('/set?k=user&v=ann')
      await browser.post('/flash?v=hello')
      const head = await browser.head('/flash')
      status(head, 200, 'HEAD /flash')
      equal(head.body, '', 'the body of HEAD /flash')
      privateCookie(f, head, 'the response to HEAD /flash')
      const after = await browser.get('/flash')
      equal(after.body.includes('hello'), false, 'whether GET /flash still has what HEAD /flash has taken')
      equal(await browser.value('user'), 'ann', 'the value that was set before')
    },
  },
  {
    id: 'adapter/status-5xx',
    title: 'a status of 500 or more saves nothing and sets no cookie [F28]',
    rule: 'Status ≥ 500: save nothing more.',
    source: 'docs/design.md#django, docs/requirements.md#f28; Django SessionMiddleware',
    why: 'Half-done work of a failed request would be kept.',
    async run(f) {
      const fresh = await f.browser()
      for (const code of [500, 503]) {
        const first = await fresh.post(`/status/${code}?k=n&v=1`)
        status(first, code, `POST /status/${code}`)
        noCookie(f, first, `POST /status/${code} without a session`)
      }
      const browser = await f.browser()
      await browser.post('/set?k=n&v=0')
      noCookie(f, await browser.post('/status/500?k=n&v=1'), 'POST /status/500')
      equal(await browser.value('n'), 0, 'the value after a change with status 500')
    },
  },
  {
    id: 'adapter/thrown-4xx',
    title: 'an HTTP error of the framework’s own below 500 saves and carries the cookie',
    rule: 'Koa and h3 drop headers when a handler throws; the cookie belongs on that response too.',
    source: 'docs/design.md#commit, docs/requirements.md#f28',
    why: 'A visitor who meets a 404 would lose the session she just began.',
    async run(f) {
      for (const code of [403, 404]) {
        const browser = await f.browser()
        const response = await browser.post(`/throw?k=n&v=${code}&status=${code}`)
        status(response, code, `POST /throw with status ${code}`)
        privateCookie(f, response, `the response to POST /throw with status ${code}`)
        equal(await browser.value('n'), code, `the value set before a ${code} was thrown`)
      }
    },
  },
  {
    id: 'adapter/thrown',
    title: 'a handler that throws sends a 500, saves nothing and sets no cookie [F28]',
    rule: 'Status ≥ 500: save nothing more.',
    source: 'docs/design.md#django, docs/requirements.md#f28; Django SessionMiddleware',
    why: 'Half-done work of a failed request would be kept.',
    async run(f) {
      const browser = await f.browser()
      const first = await browser.copy().post('/throw?k=n&v=1')
      status(first, 500, 'POST /throw')
      noCookie(f, first, 'POST /throw without a session')
      await browser.post('/set?k=n&v=0')
      const again = await browser.post('/throw?k=n&v=1')
      status(again, 500, 'POST /throw')
      noCookie(f, again, 'POST /throw')
      equal(await browser.value('n'), 0, 'the value after a handler that threw')
    },
  },
  {
    id: 'adapter/thrown-mapped',
    title:
      'when the app’s error handler chooses the status, that status decides whether the session is saved [F28]',
    rule: 'Commit with the status that really leaves, also when the handler threw.',
    source:
      'docs/design.md#django, docs/design.md#commit, docs/requirements.md#f28; Django SessionMiddleware',
    why: '"Wrong password, 2 tries left" would be forgotten where the app responds to errors itself.',
    async run(f) {
      const browser = await f.browser()
      const response = await browser.post('/throw?k=n&v=1&mapped=400')
      // A fact about the framework, which only the author of the adapter knows.
      if (response.status === 501) throw new DoesNotApply(response.body)
      status(response, 400, 'POST /throw of an error without status, mapped to 400,')
      privateCookie(f, response, 'that response')
      equal(await browser.value('n'), 1, 'the value set before it')
      const failed = await browser.post('/throw?k=n&v=2&status=404&mapped=503')
      status(failed, 503, 'POST /throw of a 404, mapped to 503,')
      noCookie(f, failed, 'that response')
      equal(await browser.value('n'), 1, 'the value after it')
    },
  },
  {
    id: 'adapter/end-then-throw',
    title: 'a handler that responds and then throws, while the session is saved, gets one response [F28]',
    rule: 'A success is saved. What is saved has its cookie, whatever response is sent in the end.',
    source: 'docs/requirements.md#f28, docs/requirements.md#i2; docs/write-an-adapter.md',
    why: 'A mistake after `res.redirect()` would leave the visitor waiting, or forget what the page said was saved.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      app.store.before = () => pause(40)
      const browser = app.browser()
      const what = 'POST /end-then-throw'
      const settled = await inFiveSeconds(what, signal =>
        outcome(() => send(`${app.url}/end-then-throw?k=a&v=1`, { method: 'POST', signal })),
      )
      const response = settled.value
      if (response && [404, 405, 501].includes(response.status))
        throw new DoesNotApply(`no route: ${response.body}`)
      // A connection that is cut off says nothing about the session.
      if (response) {
        const isSuccess = response.status < 500
        if (isSuccess) {
          equal(response.body, 'sent', `the body of ${what}`)
          const { name, value } = newCookie(f, response, `the response to ${what}`)
          browser.cookies.set(name, value)
          equal(await browser.value('a'), 1, `the value that ${what} set`)
        } else if (app.store.calls.includes('insert'))
          newCookie(f, response, `the ${response.status} to ${what}`)
        else noCookie(f, response, what)
      }
      status(await app.browser().post('/set?k=a&v=1'), 200, `POST /set after ${what}`)
    },
  },
  {
    id: 'adapter/upgrade-unsaved',
    title: 'a change after an upgrade that nobody saves is an error or a process warning, never silent',
    rule: 'A response that cannot wait is opened and loaded only. `pending(session)` says what would be lost.',
    source: 'docs/write-an-adapter.md#rules; docs/websockets.md, Socket.IO and express-ws',
    why: 'What a visitor did over a WebSocket would be forgotten, and nobody would know why.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      if (!app.upgrades) throw new DoesNotApply('the setup of the probe app does not have `upgrades: true`')
      const browser = app.browser()
      await browser.post('/set?k=a&v=1')
      const warnings: unknown[] = []
      const warned = (warning: Error) => void warnings.push((warning as { code?: unknown }).code)
      process.on('warning', warned)
      const upgrade = [
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        `Cookie: ${browser.header}`,
      ]
      const raw = sendRaw(`${app.url}/socket?k=a&v=2`, ['GET', ...upgrade])
      try {
        await Promise.race([raw.ended, pause(3_000)])
        ok(
          raw.received().startsWith('HTTP/1.1 101'),
          'GET /socket to be upgraded',
          raw.received().slice(0, 40),
        )
        // A warning comes a tick after the connection has closed.
        await pause(50)
        const isTold = raw.received().includes('SESSION_') || warnings.includes('SESSION_COMMITTED')
        const isSaved = (await browser.value('a')) === 2
        ok(
          isTold || isSaved,
          'an error, a process warning, or the change to be saved',
          'there was none of them',
        )
      } finally {
        process.off('warning', warned)
        raw.destroy()
      }
    },
  },
  {
    id: 'adapter/client-leaves',
    title: 'a client that leaves in the middle harms nobody [F26]',
    rule: 'Committed or not at all; no crash, no leak.',
    source: 'docs/requirements.md#f26',
    why: 'Closing a tab at the wrong moment would take the server down.',
    async run(f) {
      const url = await f.url()
      for (const delay of [0, 5, 30, 60]) {
        const raw = sendRaw(`${url}/stream?k=a&v=1&chunks=5&wait=20`, ['POST'])
        await pause(delay)
        raw.destroy()
        await raw.ended
        const early = sendRaw(`${url}/setslow?k=a&v=1&wait=30`, ['POST'])
        await pause(delay / 2)
        early.destroy()
        await early.ended
      }
      await pause(60)
      const browser = await f.browser()
      await browser.post('/set?k=a&v=1')
      equal(await browser.value('a'), 1, 'the value set after clients have left')
    },
  },
]
