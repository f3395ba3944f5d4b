import { equal, ok } from '../check.ts'
import type { HttpResponse } from './client.ts'
import { type AdapterCase, needsStart } from './fixture.ts'
import { needsRoute } from './newer-routes.ts'
import { cacheControl, newCookie, noCookie, status, vary } from './responses.ts'

const HEADER = 'x-session'

/** The session key that a response has in its header. */
function newKey(response: HttpResponse, what: string): string {
  const key = response.headers[HEADER] ?? ''
  ok(
    /^[a-z0-9]{32}$/.test(key),
    `a key in X-Session of ${what}`,
    key === '' ? 'there was none' : 'it was another text',
  )
  return key
}

function isPrivate(response: HttpResponse, what: string): void {
  equal(cacheControl(response).includes('no-store'), true, `whether Cache-Control of ${what} says no-store`)
  equal(vary(response).includes(HEADER), true, `whether Vary of ${what} names X-Session`)
}

/** The option `carrier`: the key is in a header in place of a cookie. */
export const carrierCases: readonly AdapterCase[] = [
  {
    id: 'adapter/header-carrier',
    title:
      'a session that comes by a header is answered by the header: no cookie, no-store, and the right Vary',
    rule: "Pass a reader of the request's headers to `sessions.open`, or to `begin`. Set the fields of `headers`, and merge `varyBy`.",
    source: 'docs/design.md#carriers; RFC 9111 sections 4.1 and 5.2.2.5',
    why: 'An app without a cookie jar could not log in, or a cache would give its key to others.',
    skip: needsStart,
    async run(f) {
      const app = await f.start({ carrier: { header: HEADER } })
      const send = (path: string, key?: string) =>
        // A browser without cookies.
        app.browser().withHeader(path.startsWith('/get') || path === '/none' ? 'GET' : 'POST', path, key)
      const begun = await send('/set?k=user&v=ann')
      status(begun, 200, 'POST /set')
      noCookie(f, begun, 'POST /set')
      const key = newKey(begun, 'POST /set')
      isPrivate(begun, 'POST /set')
      const read = await send('/get?k=user', key)
      equal(read.json['value'], 'ann', 'the value that GET /get shows')
      noCookie(f, read, 'GET /get')
      isPrivate(read, 'GET /get')
      const untouched = await send('/none', key)
      equal(
        [vary(untouched).includes(HEADER), cacheControl(untouched)],
        [false, cacheControl(await send('/none'))],
        'Vary and Cache-Control of /none',
      )
      const thrown = await send('/throw?k=user&v=eve&status=404')
      status(thrown, 404, 'POST /throw with status 404')
      const keyOfThrown = newKey(thrown, 'POST /throw with status 404')
      isPrivate(thrown, 'POST /throw with status 404')
      equal(
        (await send('/get?k=user', keyOfThrown)).json['value'],
        'eve',
        'the value set before a 404 was thrown',
      )
      const own = await send('/own-headers?k=user&v=ann&cache=public', key)
      isPrivate(own, 'a response with Cache-Control: public of its own')
      equal(vary(own).includes('accept'), true, 'whether Vary of the application is still there')
      const cycled = await send('/cycle', key)
      noCookie(f, cycled, 'POST /cycle')
      const next = newKey(cycled, 'POST /cycle')
      equal((await send('/get?k=user', next)).json['value'], 'ann', 'the value under the new key')
      equal((await send('/get?k=user', key)).json['value'] ?? null, null, 'the value under the old key')
      const ended = await send('/flush', next)
      noCookie(f, ended, 'POST /flush')
      equal(ended.headers[HEADER], '', 'X-Session of POST /flush')
      equal((await send('/get?k=user', next)).json['value'] ?? null, null, 'the value after the logout')
    },
  },
  {
    id: 'adapter/body-is-session-carrier',
    title: 'a body that is the session names the header of its key in Vary, too [A19]',
    rule: 'Merge `varyBy` of the commit into Vary, also if the session is read after it.',
    source: 'docs/design.md#carriers, docs/requirements.md#a19; ResponseInfo.readLate',
    why: 'A cache would show one visitor the session of another who has another key in the header.',
    skip: needsStart,
    async run(f) {
      const app = await f.start({ carrier: { header: HEADER, cookie: true } })
      const key = newKey(
        await app.browser().withHeader('POST', '/set?k=user&v=ann', 'new'),
        'POST /set with X-Session: new',
      )
      const what = 'GET /itself with X-Session'
      const response = await app.browser().withHeader('GET', '/itself', key)
      needsRoute(response, 'GET /itself')
      equal(response.json, { user: 'ann' }, `the body of ${what}`)
      equal([...vary(response)].sort(), ['cookie', HEADER], `Vary of ${what}`)
    },
  },
  {
    id: 'adapter/empty-header-carrier',
    title: 'with both carriers an empty header asks for a session by header, as any other value does',
    rule: 'Return the header as it is: the empty text is a header without a key. Only an absent one is `undefined`.',
    source: 'docs/design.md#carriers, docs/conformance-space.md#an-adapter',
    why: 'An app that has no key yet would get a cookie that it cannot keep, and would never be logged in.',
    skip: needsStart,
    async run(f) {
      const app = await f.start({ carrier: { header: HEADER, cookie: true } })
      const browser = app.browser()
      const what = 'POST /set with an empty X-Session'
      const begun = await browser.withHeader('POST', '/set?k=user&v=ann', '')
      status(begun, 200, what)
      noCookie(f, begun, what)
      const key = newKey(begun, what)
      isPrivate(begun, what)
      const read = await browser.withHeader('GET', '/get?k=user', key)
      equal(read.json['value'], 'ann', 'what the key leads to')
    },
  },
  {
    id: 'adapter/two-carriers',
    title: 'with both carriers a cookie is answered by a cookie and a header by a header; a header wins',
    rule: 'The key that came by a cookie never leaves by a header, and the other way round.',
    source: 'docs/design.md#carriers',
    why: 'A script could read the key of an HttpOnly cookie, or a logout would end another session than was meant.',
    skip: needsStart,
    async run(f) {
      const app = await f.start({ carrier: { header: HEADER, cookie: true } })
      const browser = app.browser()
      const first = await browser.post('/set?k=user&v=ann')
      newCookie(f, first, 'the response to a POST /set without the header')
      equal(first.headers[HEADER], undefined, 'X-Session of a response to a request without it')
      equal(
        [vary(first).includes('cookie'), vary(first).includes(HEADER)],
        [true, true],
        'Cookie and X-Session in Vary',
      )
      const begun = await browser.withHeader('POST', '/set?k=user&v=bob', 'new')
      noCookie(f, begun, 'POST /set with X-Session: new and a cookie')
      const key = newKey(begun, 'POST /set with X-Session: new and a cookie')
      equal(
        (await browser.withHeader('GET', '/get?k=user', key)).json['value'],
        'bob',
        'what the header leads to',
      )
      const cycled = await browser.withHeader('POST', '/cycle', key)
      noCookie(f, cycled, 'POST /cycle with the header and a cookie')
      const ended = await browser.withHeader(
        'POST',
        '/flush',
        newKey(cycled, 'POST /cycle with the header and a cookie'),
      )
      noCookie(f, ended, 'POST /flush with the header and a cookie')
      const after = await browser.get('/get?k=user')
      equal(after.json['value'], 'ann', 'what the cookie leads to after the logout by the header')
      equal(after.headers[HEADER], undefined, 'X-Session of a response to the cookie')
    },
  },
]
