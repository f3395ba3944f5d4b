import { equal } from '../check.ts'
import { type HttpResponse, send } from './client.ts'
import { type AdapterCase, needsStart } from './fixture.ts'
import { needsRoute } from './newer-routes.ts'
import { deletedCookie, newCookie, status } from './responses.ts'

/** How a handler fails after it has used the session. Without a status it throws an error. */
const WAYS = ['&status=500', '&status=503', ''] as const

function failed(response: HttpResponse, way: (typeof WAYS)[number], what: string): void {
  needsRoute(response, 'POST /then-fails')
  status(response, way === '&status=503' ? 503 : 500, what)
}

const SOURCE = 'docs/design.md#commit, docs/conformance-space.md#an-adapter'

/** A status of 500 or more saves no change. A logout, and what `save()` has stored before, still count. */
export const thenFailsCases: readonly AdapterCase[] = [
  {
    id: 'adapter/logout-then-error',
    title: 'a logout is carried out though the handler fails after it: by an error, or by a status of 500',
    rule: 'Call `commit` for every response, also from 500 on: the engine decides what is done then.',
    source: `${SOURCE}, docs/requirements.md#a23`,
    why: 'A user logs out, the mail server is down, and the session goes on: the next one at that computer has it.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      for (const way of WAYS) {
        const browser = app.browser()
        await browser.post('/set?k=user&v=ann')
        const cookie = browser.header
        const what = `POST /then-fails?does=flush${way}`
        const response = await browser.post(`/then-fails?does=flush${way}`)
        failed(response, way, what)
        deletedCookie(f, response, `the response to ${what}`)
        const found = await send(`${app.url}/get?k=user`, { cookie })
        equal(found.json['value'] ?? null, null, `what the old cookie leads to after ${what}`)
      }
    },
  },
  {
    id: 'adapter/saved-then-error',
    title:
      'the cookie of a session that the handler has saved itself arrives, though the handler fails after it',
    rule: 'Call `commit` for every response, also from 500 on, and add what it returns.',
    source: `${SOURCE}, docs/requirements.md#f28; Session.save()`,
    why: 'A paid order would be in a session whose key nobody has, and a renewed key would log its visitor out.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      for (const way of WAYS) {
        const browser = app.browser()
        const path = `/then-fails?does=save&k=order&v=7${way}`
        const response = await browser.post(path)
        failed(response, way, `POST ${path}`)
        newCookie(f, response, `the response to POST ${path}`)
        equal(await browser.value('order'), 7, `the value that was saved by POST ${path}`)
      }
    },
  },
]
