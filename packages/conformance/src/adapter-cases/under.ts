import { equal, ok } from '../check.ts'
import { send } from './client.ts'
import { type AdapterCase, needsStart, type StartedApp, UNDER } from './fixture.ts'
import { withoutMeans } from './means.ts'
import { noCookie, sessionCookies, status } from './responses.ts'

/** The path of a background poll keeps no session alive, and any other one does. */
async function pollsKeepNothingAlive(
  f: Parameters<AdapterCase['run']>[0],
  app: StartedApp,
  path: string,
): Promise<void> {
  const browser = app.browser()
  await browser.post('/set?k=a&v=1')
  app.store.calls.length = 0
  const poll = await browser.get('/get?k=a')
  equal(poll.json['value'], 1, `the value that GET ${path} shows`)
  noCookie(f, poll, `GET ${path}, which is a background path`)
  equal(app.store.calls, ['read'], `the store calls of GET ${path}, which is a background path`)
  app.store.calls.length = 0
  const page = await browser.get('/all')
  ok(
    sessionCookies(f, page).length > 0 && app.store.calls.length > 1,
    'a request to another path to extend the life of the session',
    `the store calls were ${app.store.calls.join(', ')}`,
  )
}

/** Whether the adapter passes the path that the browser asked for, also where the app is mounted below one. */
export const underCases: readonly AdapterCase[] = [
  {
    id: 'adapter/background',
    title: 'a request to a path of `background` does not extend the life of the session',
    rule: 'Pass `target: () => ({ path, … })` to `begin` or `open`.',
    source: 'docs/write-an-adapter.md#rules; docs/design.md#commit',
    why: 'A page that is left open polls, and its session would never end.',
    skip: needsStart,
    async run(f) {
      const app = await f.start({ saveEveryRequest: true, background: ['/get'] })
      await pollsKeepNothingAlive(f, app, '/get')
    },
  },
  {
    id: 'adapter/under-background',
    title: 'below a path, the paths of `background` are whole, as the browser asked for them',
    rule: 'The path of `target` is that of the request, such as `req.originalUrl`, and not the rest below a mounted app.',
    source: 'docs/write-an-adapter.md#rules; Express req.originalUrl',
    why: 'In an app that is mounted, polls would count as activity, and idle sessions never end.',
    skip: withoutMeans('under'),
    async run(f) {
      const app = await f.under!({ saveEveryRequest: true, background: [`${UNDER}/get`] })
      await pollsKeepNothingAlive(f, app, `${UNDER}/get`)
      const rest = await f.under!({ saveEveryRequest: true, background: ['/get'] })
      const browser = rest.browser()
      await browser.post('/set?k=a&v=1')
      const page = await browser.get('/get?k=a')
      equal(
        sessionCookies(f, page).length,
        1,
        `the number of session cookies of GET ${UNDER}/get, where /get is a background path`,
      )
    },
  },
  {
    id: 'adapter/under-tells-where',
    title: 'below a path, a login with two different session cookies deletes those of every part of the path',
    rule: 'Tell commit where the browser asked: `target: () => ({ host, path })`, with the whole path.',
    source: 'docs/design.md#two-cookies; ResponseInfo.target',
    why: 'A cookie of the path of the mounted app would stay, and no visitor could log in until it expires.',
    skip: withoutMeans('under'),
    async run(f) {
      const app = await f.under!()
      const cookie = ['a', 'b'].map(letter => `${f.cookieName}=${letter.repeat(32)}`).join('; ')
      const response = await send(`${app.url}/login?user=ann`, { method: 'POST', cookie })
      status(response, 200, `POST ${UNDER}/login with two session cookies`)
      const deleted = sessionCookies(f, response).filter(({ deletes }) => deletes)
      const paths = deleted.map(({ attributes }) => attributes.get('path'))
      ok(
        paths.includes(UNDER) || paths.includes(`${UNDER}/`),
        `a cookie with the path ${UNDER} to be deleted`,
        `the paths were ${paths.join(', ')}`,
      )
    },
  },
]
