import { equal, ok } from '../check.ts'
import { type HttpResponse, send, sendRaw } from './client.ts'
import { type AdapterCase, needsStart, type StartedApp } from './fixture.ts'
import { needsRoute } from './newer-routes.ts'
import { inFiveSeconds, newCookie, noCookie, pause, sessionCookies, status, vary } from './responses.ts'
import { down } from './watched-store.ts'

/** How a handler gives `node:http` the head of its response. */
const WAYS = ['object', 'flat', 'message', 'set'] as const

/** Posts to a route that writes the response of `node:http` itself. */
async function post(app: StartedApp, path: string, cookie?: string): Promise<HttpResponse> {
  const response = await inFiveSeconds(`POST ${path}`, signal =>
    send(app.url + path, { method: 'POST', cookie, signal }),
  )
  needsRoute(response, `POST ${path.split('?')[0]}`)
  return response
}

/** Makes every save take a moment. Returns when the last one was done. */
function slowly({ store }: StartedApp): () => number {
  let done = Number.POSITIVE_INFINITY
  store.before = async call => {
    if (call !== 'insert' && call !== 'replace') return
    await pause(30)
    done = performance.now()
  }
  return () => done
}

const SOURCE = 'docs/design.md#one-gate, docs/write-an-adapter.md#rules'

/** A handler that goes down to the response of `node:http`, as streams of events, proxies and old libraries do. */
export const rawCases: readonly AdapterCase[] = [
  {
    id: 'adapter/raw-saves',
    title: 'a handler that writes the response of node:http itself has saved before the first byte [F27]',
    rule: 'Before the response’s headers leave, by whatever function they are sent.',
    source: `${SOURCE}, docs/requirements.md#f27`,
    why: 'What a handler of events or of a proxy changes would be forgotten, without an error.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      const saved = slowly(app)
      for (const as of WAYS) {
        const what = `POST /raw?as=${as}`
        const response = await post(app, `/raw?k=a&v=1&as=${as}`)
        status(response, 200, what)
        const { name, value } = newCookie(f, response, `the response to ${what}`)
        equal(response.body, 'written by hand', `the body of ${what}`)
        ok(
          (response.chunks[0]?.at ?? 0) > saved(),
          'the first byte after the save',
          `it was before, for ${what}`,
        )
        const found = await send(`${app.url}/get?k=a`, { cookie: `${name}=${value}` })
        equal(found.json['value'], 1, `the value that ${what} set`)
      }
    },
  },
  {
    id: 'adapter/raw-headers',
    title:
      'the headers of writeHead arrive beside those of the session, given as an object, a list or one by one',
    rule: 'Add headers, do not replace them. writeHead takes an object, whose values may be lists, and a list of names and values.',
    source: `${SOURCE}; Node http, response.writeHead`,
    why: 'A response that a proxy passes on would lose its type, its cookies, or all of its headers.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      slowly(app)
      for (const as of WAYS) {
        const what = `POST /raw?as=${as}`
        const response = await post(app, `/raw?k=a&v=1&as=${as}`)
        const { 'content-type': type, 'x-own': own } = response.headers
        equal([type, own], ['text/plain', 'yes'], `Content-Type and X-Own of ${what}`)
        const names = response.setCookies.map(({ name }) => name).sort()
        equal(names, [f.cookieName, 'lang', 'theme'].sort(), `the cookies of ${what}`)
        equal(vary(response).sort(), ['accept', 'cookie', 'origin'], `Vary of ${what}`)
      }
    },
  },
  {
    id: 'adapter/raw-flush-headers',
    title:
      'headers that a handler sends before the body leave once the session is saved, and not with the body',
    rule: 'Hold `flushHeaders` as any other call, and carry it out after the commit.',
    source: `${SOURCE}; Node http, request.flushHeaders; HTML, server-sent events`,
    why: 'A stream of events would open with its first event: a page waits, and a proxy gives up.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      slowly(app)
      const flush = async (as: string): Promise<void> => {
        const what = `POST /raw-flush-headers?as=${as}`
        const raw = sendRaw(`${app.url}/raw-flush-headers?k=a&v=1&as=${as}`, ['POST'])
        await Promise.race([raw.ended, pause(700)])
        const head = raw.received()
        await raw.ended
        const whole = raw.received()
        const code = Number(/^HTTP\/1\.1 (\d{3})/.exec(whole)?.[1])
        needsRoute({ status: code, body: whole.split('\r\n\r\n')[1] ?? '' }, 'POST /raw-flush-headers')
        ok(
          head.includes('\r\n\r\n'),
          `the headers of ${what} within 700 ms, whose body begins after a second`,
          'they came with the body',
        )
        ok(/^set-cookie: sessionid=/im.test(head), `the cookie in the headers of ${what}`, 'it was missing')
        equal(whole.includes('the first event'), true, `whether the body of ${what} arrived`)
      }
      await Promise.all(WAYS.map(flush))
    },
  },
  {
    id: 'adapter/raw-status',
    title: 'the status that writeHead is given decides whether the session is saved [F28]',
    rule: 'Commit with the status that is sent: the argument of writeHead, and not what was set before.',
    source: `${SOURCE}, docs/requirements.md#f28; Django SessionMiddleware`,
    why: 'An order that is half done would be kept, though its customer was told that it failed.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      slowly(app)
      for (const as of WAYS) {
        const browser = app.browser()
        await browser.post('/set?k=a&v=0')
        const failed = await post(app, `/raw?k=a&v=1&status=500&as=${as}`, browser.header)
        status(failed, 500, `POST /raw with writeHead(500), as=${as},`)
        noCookie(f, failed, 'that response')
        equal(await browser.value('a'), 0, `the value after a change with writeHead(500), as=${as}`)
        status(
          await post(app, `/raw?k=a&v=2&status=403&as=${as}`, browser.header),
          403,
          'POST /raw with writeHead(403)',
        )
        equal(await browser.value('a'), 2, `the value after a change with writeHead(403), as=${as}`)
      }
    },
  },
  {
    id: 'adapter/raw-save-fails',
    title: 'a response of node:http whose save fails is a 503, without anything of the success [F2]',
    rule: 'Send nothing of the success. If the framework has handed the response over, send the status yourself.',
    source: `${SOURCE}, docs/requirements.md#f2`,
    why: 'The visitor would be told that it worked.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      app.store.before = async call => {
        if (call !== 'insert') return
        await pause(10)
        down()
      }
      for (const as of WAYS) {
        const what = `POST /raw?as=${as} while the store is down`
        const response = await post(app, `/raw?k=a&v=1&as=${as}`)
        status(response, 503, what)
        equal(
          response.setCookies.map(({ name }) => name),
          [],
          `the cookies of ${what}`,
        )
        equal(response.headers['x-own'], undefined, `X-Own of ${what}`)
        equal(response.body.includes('by hand'), false, `whether the body of ${what} is that of the success`)
      }
      // The first handler waits for the callbacks, which get the error. The last one has returned by then.
      for (const path of [
        '/raw-encodings?k=a&v=1&awaited',
        '/raw-early-hints?k=a&v=1',
        '/raw-late?k=a&v=1',
      ]) {
        const response = await post(app, path)
        status(response, 503, `POST ${path} while the store is down`)
        noCookie(f, response, `POST ${path} while the store is down`)
      }
    },
  },
  {
    id: 'adapter/constant-cookies',
    title: 'lists of headers that the app keeps for all visitors stay as they are',
    rule: 'Set a new list of cookies. `appendHeader` pushes into the list that the application has set.',
    source: `${SOURCE}; Node http, outgoingMessage.appendHeader`,
    why: 'Every later visitor would get the session cookie of an earlier one, and be logged in as somebody else.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      for (const as of WAYS) {
        const path = `/raw?as=${as}`
        newCookie(f, await post(app, `${path}&k=a&v=1`), `the response to POST ${path}`)
        const stranger = await post(app, path)
        const cookies = stranger.setCookies.map(({ name, value }) => `${name}=${value}`)
        equal(
          sessionCookies(f, stranger).length,
          0,
          `the number of session cookies that the next visitor gets by ${path}`,
        )
        equal(vary(stranger), ['accept', 'origin'], `Vary that the next visitor gets by ${path}`)
        equal(cookies, ['theme=dark', 'lang=en'], `the cookies that the next visitor gets by ${path}`)
      }
    },
  },
  {
    id: 'adapter/raw-encodings',
    title: 'what is written while the session is saved keeps its encoding, and its callbacks are called',
    rule: 'Hold the calls with all their arguments: the chunk, its encoding and its callback.',
    source: `${SOURCE}; Node http, response.write and response.end`,
    why: 'Pictures would arrive as base64, and a handler that waits for a callback would hang for ever.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      slowly(app)
      const callbacks = async () => Number((await app.browser().get('/raw-callbacks')).body)
      for (const query of ['', '&awaited']) {
        const path = `/raw-encodings?k=a&v=1${query}`
        const before = await callbacks()
        const response = await post(app, path)
        status(response, 200, `POST ${path}`)
        equal(response.body, '✓üé.', `the body of POST ${path}`)
        newCookie(f, response, `the response to POST ${path}`)
        for (let tries = 0; tries < 50 && (await callbacks()) < before + 4; tries++) await pause(10)
        equal((await callbacks()) - before, 4, `the number of callbacks that were called for POST ${path}`)
      }
    },
  },
  {
    id: 'adapter/early-hints',
    title: 'a change after 103 Early Hints is saved, and its cookie is on the final response',
    rule: 'A 1xx response is not the response. Commit before the first byte of the final one.',
    source: `${SOURCE}; RFC 8297, RFC 9110 section 15.2`,
    why: 'A login page that sends early hints would log nobody in.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      slowly(app)
      const response = await post(app, '/raw-early-hints?k=a&v=1')
      status(response, 200, 'POST /raw-early-hints')
      equal(response.body, 'logged in', 'the body of POST /raw-early-hints')
      const { name, value } = newCookie(f, response, 'the final response to POST /raw-early-hints')
      const found = await send(`${app.url}/get?k=a`, { cookie: `${name}=${value}` })
      equal(found.json['value'], 1, 'the value that was set after 103')
      equal(response.informed, [103, 102], 'the 1xx responses before it')
    },
  },
  {
    id: 'adapter/raw-late',
    title: 'a handler that returns before it responds can change the session until it does',
    rule: 'If the handler has taken the response over, commit when it is sent, and not when the handler returns.',
    source: `${SOURCE}; Koa ctx.respond, Fastify reply.hijack()`,
    why: 'A handler that gives the response to another library would get SESSION_COMMITTED for each change.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      slowly(app)
      const response = await post(app, '/raw-late?k=a&v=1')
      equal(response.body, 'saved', 'the body of POST /raw-late')
      const { name, value } = newCookie(f, response, 'the response to POST /raw-late')
      const found = await send(`${app.url}/get?k=a`, { cookie: `${name}=${value}` })
      equal(found.json['value'], 1, 'the value that was set after the handler had returned')
    },
  },
]
