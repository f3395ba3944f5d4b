import { DoesNotApply } from '../case.ts'
import { equal, fail, ok, outcome } from '../check.ts'
import { UNUSUAL } from '../probe-routes.ts'
import { send } from './client.ts'
import { type AdapterCase, needsStart } from './fixture.ts'
import { needsRoute } from './newer-routes.ts'
import { inFiveSeconds, newCookie, noCookie, pause, status } from './responses.ts'

/** The errors of this process that nobody catches while something runs. */
async function uncaughtDuring(run: () => Promise<void>): Promise<unknown[]> {
  const uncaught: unknown[] = []
  const caught = (error: unknown): void => void uncaught.push(error)
  process.on('uncaughtException', caught)
  process.on('unhandledRejection', caught)
  try {
    await run()
    // An unhandled rejection is reported a turn later.
    await pause(10)
  } finally {
    process.off('uncaughtException', caught)
    process.off('unhandledRejection', caught)
  }
  return uncaught
}

/** Responses that are no page of a route: an error with headers, a body that fails, a path that nobody knows. */
export const errorCases: readonly AdapterCase[] = [
  {
    id: 'adapter/thrown-unusual',
    title: 'an error whose status is no HTTP error’s is saved by the status that is really sent [F28]',
    rule: 'Commit with the status that leaves. What a framework makes of a status that is a text or no whole number, or of ENOENT, it alone knows.',
    source:
      'docs/design.md#commit, docs/requirements.md#f28; on-finished: the error handler chooses the status',
    why: 'Half-done work would be kept beside a 500, because the error had a `status` that was no number of HTTP.',
    async run(f) {
      needsRoute(await (await f.browser()).post('/throw-unusual'), 'POST /throw-unusual')
      for (const as of Object.keys(UNUSUAL)) {
        const what = `POST /throw-unusual?as=${as}`
        const browser = await f.browser()
        await browser.post('/set?k=n&v=0')
        const response = await browser.post(`/throw-unusual?k=n&v=1&as=${as}`)
        const isSaved = response.status < 500
        equal(
          await browser.value('n'),
          isSaved ? 1 : 0,
          `the value after ${what}, whose response was ${response.status}`,
        )
      }
    },
  },
  {
    id: 'adapter/thrown-headers',
    title: 'the headers of a thrown error arrive beside the cookie of the session',
    rule: 'Add headers, do not replace them: an error has its own, which the framework sends.',
    source: 'docs/write-an-adapter.md#rules; RFC 9110 sections 11.6.1 and 10.2.3',
    why: 'A 401 would not say how to log in, and a 429 not when to come back.',
    async run(f) {
      for (const code of [401, 429]) {
        const path = `/throw-headers?k=n&v=${code}&status=${code}`
        const browser = await f.browser()
        const response = await browser.post(path)
        needsRoute(response, 'POST /throw-headers')
        status(response, code, `POST ${path}`)
        const { 'www-authenticate': how, 'retry-after': when } = response.headers
        equal([how, when], ['Basic realm="probe"', '7'], `WWW-Authenticate and Retry-After of POST ${path}`)
        newCookie(f, response, `the response to POST ${path}`)
        const own = response.setCookies.filter(({ name }) => name === 'own')
        equal(own.length, 1, `the number of cookies of the error’s own of POST ${path}`)
        equal(await browser.value('n'), code, `the value set before a ${code} was thrown`)
      }
      const browser = await f.browser()
      const failed = await browser.post('/throw-headers?k=n&v=1&status=503')
      status(failed, 503, 'POST /throw-headers?status=503')
      noCookie(f, failed, 'that response')
      equal(failed.headers['retry-after'], '7', 'Retry-After of that response')
    },
  },
  {
    id: 'adapter/not-found',
    title: 'the handler of requests without a route has a session, which is saved',
    rule: 'Run for every request. Do not look at whether a route is there.',
    source: 'docs/write-an-adapter.md#rules; Fastify setNotFoundHandler',
    why: 'A page "not found" that greets its visitor would be an error, and so would each page of an app with one catch-all.',
    async run(f) {
      const browser = await f.browser()
      const ask = async (method: 'get' | 'post', path: string) => {
        const response = await browser[method](path)
        const what = `${method.toUpperCase()} ${path}, for which there is no route`
        if (response.status === 404 && !response.body.includes('"notFound":true')) {
          throw new DoesNotApply('the probe app does nothing with `probeNotFound`')
        }
        status(response, 404, what)
        equal(
          response.json['notFound'],
          true,
          `whether the response to ${what} is that of the app’s own handler`,
        )
        return response
      }
      const first = await ask('get', '/nowhere')
      equal(first.json['isEmpty'], true, 'whether the session of a new visitor is empty')
      newCookie(f, await ask('post', '/no/where?k=a&v=1'), 'the response to POST /no/where?k=a&v=1')
      equal(await browser.value('a'), 1, 'the value that was set there')
      const again = await ask('get', '/nowhere')
      equal(again.json['isEmpty'], false, 'whether the session is empty after that')
    },
  },
  {
    id: 'adapter/failing-body',
    title: 'a body that fails while the session is saved, or after it, harms nobody [F26]',
    rule: 'While the response waits nobody else listens to its body: listen to its errors, and end the response.',
    source: 'docs/requirements.md#f26; Node stream, the event `error`',
    why: 'A file that cannot be read would end the process, or leave the visitor waiting.',
    alone: true,
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      app.store.before = async call => {
        if (call === 'insert') await pause(40)
      }
      const uncaught = await uncaughtDuring(async () => {
        for (const how of ['wait=0', 'wait=15', 'wait=15&chunks=1', 'wait=90&chunks=2', 'wait=90']) {
          const path = `/failing-body?k=a&v=1&${how}`
          const { value: response } = await inFiveSeconds(`POST ${path}`, signal =>
            outcome(() => send(app.url + path, { method: 'POST', signal })),
          )
          if (response) needsRoute(response, 'POST /failing-body')
          ok(
            response === undefined || response.status >= 500,
            `POST ${path} to be an error, or to be cut off`,
            `it was a whole response of ${response?.status}`,
          )
          status(await app.browser().post('/set?k=a&v=1'), 200, `POST /set after POST ${path}`)
        }
      })
      if (uncaught.length > 0) fail('no error that nobody catches', `there was ${String(uncaught[0])}`)
    },
  },
]
