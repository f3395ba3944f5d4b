import { equal } from '../check.ts'
import { send } from './client.ts'
import type { AdapterCase } from './fixture.ts'
import { withoutMeans } from './means.ts'
import { inFiveSeconds, newCookie, noCookie, sessionCookies, status } from './responses.ts'
import { down } from './watched-store.ts'

/** One engine whose middleware is mounted twice, as where a router of a library brings its own. */
export const twiceCases: readonly AdapterCase[] = [
  {
    id: 'adapter/one-engine-twice',
    title: 'one engine that is mounted twice gives one session, one load, one save and one cookie',
    rule: '`begin` returns nothing where the session is open already: go on, and leave load and commit to who opened it.',
    source: 'docs/design.md#one-gate, docs/conformance-space.md#an-adapter',
    why: 'What one half of the app sets, the other would overwrite, and every request would cost twice.',
    skip: withoutMeans('twice'),
    async run(f) {
      const app = await f.twice!()
      const calls = () => app.store.calls.splice(0)
      const browser = app.browser()
      const set = await browser.post('/set?k=a&v=1')
      status(set, 200, 'POST /set')
      newCookie(f, set, 'the response to POST /set')
      equal(sessionCookies(f, set).length, 1, 'the number of session cookies of POST /set')
      equal(calls(), ['insert'], 'the store calls of POST /set')
      equal(await browser.value('a'), 1, 'the value that GET /get shows')
      equal(calls(), ['read'], 'the store calls of GET /get')
      status(await browser.post('/throw?k=a&v=2&status=404'), 404, 'POST /throw?status=404')
      equal(calls(), ['read', 'replace'], 'the store calls of a POST that throws a 404')
      status(await browser.post('/throw?k=a&v=3'), 500, 'POST /throw')
      equal(await browser.value('a'), 2, 'the value after a POST that threw a 500')
      equal(
        sessionCookies(f, await browser.post('/flush')).length,
        1,
        'the number of session cookies of POST /flush',
      )
    },
  },
  {
    id: 'adapter/one-engine-twice-save-fails',
    title: 'where one engine is mounted twice, a save that fails is one 503 without a cookie [F2]',
    rule: 'A failed commit is an error of the request, once. Another call of commit() returns an empty result.',
    source: 'docs/design.md#one-gate, docs/requirements.md#f2',
    why: 'A second commit would send the success, or the error handling would run twice.',
    skip: withoutMeans('twice'),
    async run(f) {
      const app = await f.twice!()
      const browser = app.browser()
      await browser.post('/set?k=a&v=1')
      app.store.before = call => (call === 'replace' ? down() : undefined)
      for (const path of ['/set?k=a&v=2', '/redirect?k=a&v=2', '/throw?k=a&v=2&status=404']) {
        const response = await inFiveSeconds(`POST ${path} while the store is down`, signal =>
          send(app.url + path, { method: 'POST', cookie: browser.header, signal }),
        )
        status(response, 503, `POST ${path} while the store is down`)
        noCookie(f, response, `POST ${path} while the store is down`)
      }
      app.store.before = undefined
      equal(await browser.value('a'), 1, 'the value after the outage')
    },
  },
]
