import { DoesNotApply } from '../case.ts'
import { equal, fail, outcome } from '../check.ts'
import { CERTIFICATE } from './certificate.ts'
import type { HttpResponse } from './client.ts'
import {
  type AdapterCase,
  type AdapterFixture,
  type AppWithTwoEngines,
  INNER_COOKIE,
  OUTER_COOKIE,
} from './fixture.ts'
import { withoutMeans } from './means.ts'
import { status } from './responses.ts'

const engines = [
  { place: 'outer', cookie: OUTER_COOKIE },
  { place: 'inner', cookie: INNER_COOKIE },
] as const

async function startBoth(f: AdapterFixture): Promise<AppWithTwoEngines> {
  // `skip` has asked whether it is there.
  return await f.startTwoEngines!()
}

/** The names of the cookies that a response sets, without those that it deletes. */
function cookieNames({ setCookies }: HttpResponse): string[] {
  return setCookies
    .filter(({ deletes }) => !deletes)
    .map(({ name }) => name)
    .sort()
}

export const twoEnginesCases: readonly AdapterCase[] = [
  {
    id: 'adapter/two-engines-one-property',
    title: 'two engines that want one property are an error, never one session in place of two [A9]',
    rule: 'A property that another engine has is a ConfigError, at start-up or at the first request.',
    source: 'docs/design.md#one-gate, docs/requirements.md#a9; docs/conformance-space.md#an-adapter',
    why: 'A line that is copied would put staff into the sessions of visitors, without a word.',
    skip: withoutMeans('startTwoEngines'),
    async run(f) {
      const started = await outcome(() => f.startTwoEngines!({ sameProperty: true }))
      if (started.error !== undefined) return
      const { browser } = started.value!
      const both = await browser().post('/both?k=n&v=1')
      if (cookieNames(both).length === 2) throw new DoesNotApply('`startTwoEngines` ignores `sameProperty`')
      const { status } = await browser().post('/set?k=n&v=1')
      if (status < 500)
        fail('an error where two engines have one property', `the response to POST /set was ${status}`)
    },
  },
  {
    id: 'adapter/two-engines',
    title: 'two engines on one app have a session, a store and a cookie each [A9]',
    rule: 'Each engine has its own property and cookie. Both commit before the first byte, and both cookies are sent.',
    source: 'docs/design.md#one-gate, docs/requirements.md#a9',
    why: 'An app with a session for visitors and one for staff would lose one of the two logins.',
    skip: withoutMeans('startTwoEngines'),
    async run(f) {
      const app = await startBoth(f)
      const browser = app.browser()
      const first = await browser.post('/both?k=n&v=1')
      status(first, 200, 'POST /both')
      equal(cookieNames(first), [INNER_COOKIE, OUTER_COOKIE], 'the cookies that POST /both sets')
      const secure = first.setCookies.map(({ attributes }) => attributes.has('secure'))
      equal(secure, [false, false], 'whether the cookies of the two engines are Secure, over plain HTTP,')
      equal([app.outer.calls, app.inner.calls], [['insert'], ['insert']], 'the calls of the two stores')
      for (const { place, cookie } of engines) {
        const one = browser.copy()
        for (const name of [...one.cookies.keys()]) if (name !== cookie) one.cookies.delete(name)
        const { json } = await one.get('/both?k=n')
        const expected = { outer: place === 'outer' ? 1 : null, inner: place === 'inner' ? 1 : null }
        equal(
          { outer: json['outer'] ?? null, inner: json['inner'] ?? null },
          expected,
          `what ${cookie} leads to`,
        )
      }
    },
  },
  {
    id: 'adapter/two-engines-save-fails',
    title:
      'when one of two engines cannot save, the error response carries the cookie of what the other has saved [F2]',
    rule: 'The cookies of the engines that succeeded go with the error response. The failed engine sets none.',
    source: 'docs/design.md#one-gate, docs/requirements.md#f2',
    why: 'A renewed key that does not arrive logs its visitor out, although only the other session failed.',
    skip: withoutMeans('startTwoEngines'),
    async run(f) {
      for (const { place: down } of engines) {
        const app = await startBoth(f)
        const browser = app.browser()
        await browser.post('/both?k=n&v=1')
        app[down].before = call => {
          if (call === 'insert' || call === 'replace') throw new Error('connect ECONNREFUSED')
        }
        app.outer.calls.length = 0
        app.inner.calls.length = 0
        // Without a cookie a save is an `insert`, and its response needs a cookie.
        const anew = app.browser()
        const response = await anew.post('/both?k=n&v=2')
        const what = `POST /both while the store of the ${down} engine is down`
        status(response, 503, what)
        equal(/"sessionKey"/.test(response.body), false, `whether the body of ${what} is that of the success`)
        const saved = engines.filter(({ place }) => place !== down && app[place].calls.includes('insert'))
        equal(
          cookieNames(response),
          saved.map(({ cookie }) => cookie),
          `the cookies that ${what} sets`,
        )
        app[down].before = undefined
        const { json } = await anew.get('/both?k=n')
        for (const { place } of saved)
          equal(json[place], 2, `the value that the ${place} engine saved during ${what}`)
        const { json: kept } = await browser.get('/both?k=n')
        equal([kept['outer'], kept['inner']], [1, 1], `the values of another visitor after ${what}`)
      }
    },
  },
  {
    id: 'adapter/two-engines-5xx',
    title: 'a handler that fails saves in none of two engines, and sets no cookie of either [F28]',
    rule: 'Status ≥ 500: save nothing more. Each engine commits with the status that is sent.',
    source: 'docs/design.md#one-gate, docs/requirements.md#f28; Django SessionMiddleware',
    why: 'Half-done work of a failed request would be kept by one of the two.',
    skip: withoutMeans('startTwoEngines'),
    async run(f) {
      const app = await startBoth(f)
      const browser = app.browser()
      await browser.post('/both?k=n&v=1')
      for (const how of ['status=500', 'status=503', 'throw']) {
        const path = `/both?k=n&v=2&${how}`
        for (const visitor of [app.browser(), browser]) {
          app.outer.calls.length = 0
          app.inner.calls.length = 0
          const response = await visitor.post(path)
          if (response.status === 200)
            throw new DoesNotApply(`the probe app does nothing with \`${how}\` of POST /both`)
          status(response, how === 'throw' ? 500 : Number(how.slice(-3)), `POST ${path}`)
          equal(cookieNames(response), [], `the cookies that POST ${path} sets`)
          const saves = [...app.outer.calls, ...app.inner.calls].filter(call => call !== 'read')
          equal(saves, [], `the calls of the two stores that write, of POST ${path}`)
        }
        const { json } = await browser.get('/both?k=n')
        equal([json['outer'], json['inner']], [1, 1], `the values after POST ${path}`)
      }
    },
  },
  {
    id: 'adapter/two-engines-https',
    title: 'over TLS the cookies of both engines are Secure',
    rule: 'Pass `secure` to each engine: `secure: () => …` of `begin`.',
    source: 'docs/design.md#one-gate; RFC 6265bis section 5.7',
    why: 'The cookie of one of the two logins would also go over plain HTTP, where anybody on the network reads it.',
    skip: withoutMeans('startTwoEngines'),
    async run(f) {
      const app = await f.startTwoEngines!({ certificate: CERTIFICATE })
      if (!app.url.startsWith('https:')) {
        throw new DoesNotApply('the probe app does nothing with the third argument of `startTwoEngines`')
      }
      const browser = app.browser()
      for (const path of ['/both?k=n&v=1', '/both?k=n&v=2']) {
        const response = await browser.post(path)
        status(response, 200, `POST ${path}`)
        equal(
          response.setCookies.map(({ attributes }) => attributes.has('secure')),
          response.setCookies.map(() => true),
          `whether the cookies that POST ${path} sets are Secure`,
        )
        if (path.endsWith('v=1'))
          equal(cookieNames(response), [INNER_COOKIE, OUTER_COOKIE], `the cookies of POST ${path}`)
      }
    },
  },
]
