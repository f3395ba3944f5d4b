import { equal, ok } from '../check.ts'
import { type SetCookie, send, sendRaw } from './client.ts'
import { type AdapterCase, type AdapterFixture, needsServerSide, needsStart } from './fixture.ts'
import { deletedCookie, newCookie, sessionCookies, status } from './responses.ts'

/** Which session a request has: none but the one that its cookie leads to. */
export const keyCases: readonly AdapterCase[] = [
  {
    id: 'adapter/unknown-key',
    title: 'a made-up key is never adopted, and its cookie is deleted when the session is looked at [A3]',
    rule: 'An unknown id writes nothing; looked for and not found: expire the cookie.',
    source: 'docs/requirements.md#c4, docs/requirements.md#a3, docs/requirements.md#c9; CVE-2024-38513 Fiber',
    why: 'An attacker could choose the key of the victim’s session.',
    skip: needsServerSide,
    async run(f) {
      const planted = 'abcdefghijklmnopqrstuvwxyz012345'
      const browser = await f.browser()
      browser.cookies.set(f.cookieName, planted)
      deletedCookie(f, await browser.get('/get?k=a'), 'GET /get with a made-up key')
      browser.cookies.set(f.cookieName, planted)
      const { value } = newCookie(f, await browser.post('/set?k=a&v=1'), 'the response to POST /set')
      ok(value !== planted, 'a key of the engine’s own', 'the made-up key was adopted')
    },
  },
  {
    id: 'adapter/duplicate-cookies',
    title: 'of two different session cookies neither is used [A18, F31]',
    rule: 'Given two different values for our cookie name, uses neither.',
    source: 'docs/requirements.md#a18, docs/requirements.md#f31; RFC 6265bis weak integrity (cookie tossing)',
    why: 'A neighbouring subdomain could slip its own session under the visitor’s.',
    async run(f) {
      const [ann, bob] = [await f.browser(), await f.browser()]
      await ann.post('/set?k=user&v=ann')
      await bob.post('/set?k=user&v=bob')
      const [one, two] = [ann.header ?? '', bob.header ?? '']
      const url = `${await f.url()}/get?k=user`
      for (const headers of [
        [`Cookie: ${one}; ${two}`],
        [`Cookie: ${two}; ${one}`],
        [`Cookie: ${one}`, `Cookie: ${two}`],
      ]) {
        const raw = sendRaw(url, ['GET', ...headers])
        await raw.ended
        const body = raw.received()
        equal(body.startsWith('HTTP/1.1 200'), true, 'whether the response is 200')
        equal(
          /"value":\s*"(?:ann|bob)"/.test(body),
          false,
          'whether the response shows one of the two sessions',
        )
      }
    },
  },
  {
    id: 'adapter/key-from-cookie-only',
    title: 'the key is read from its cookie only, and no URL of ours has it [A5]',
    rule: 'Open from the cookie header. Keys never come from, or go to, a URL, a body or another header.',
    source: 'docs/requirements.md#a5',
    why: 'Keys in URLs are in logs, histories and Referer headers, and a link could log a victim in as the attacker.',
    async run(f) {
      const browser = await f.browser()
      const { value: key = '', name = '' } =
        sessionCookies(f, await browser.post('/set?k=user&v=ann'))[0] ?? {}
      const url = new URL(browser.url)
      const query = `k=user&${name}=${key}&session=${key}&sid=${key}`
      const body = `${name}=${key}&${query}`
      const attempts: [headers: string[], path: string][] = [
        [[], `/get?${query}`],
        [[], `/get;${name}=${key}?k=user`],
        [[`X-Session-Id: ${key}`, `Session: ${key}`, `X-${name}: ${key}`], '/get?k=user'],
        [[`Authorization: Bearer ${key}`], '/get?k=user'],
        [[`Set-Cookie: ${name}=${key}`, `Cookie2: ${name}=${key}`], '/get?k=user'],
        [['Content-Type: application/x-www-form-urlencoded'], '/get?k=user'],
      ]
      for (const [headers, path] of attempts) {
        const raw = sendRaw(new URL(path, url).href, ['GET', ...headers], body)
        await raw.ended
        equal(
          raw.received().includes('"ann"'),
          false,
          `whether GET ${path.replaceAll(key, '…')} shows the session`,
        )
      }
      equal(await browser.value('user'), 'ann', 'the user that the cookie leads to')
      const redirect = await browser.post('/redirect?k=user&v=bob')
      const said = Object.values(redirect.headers).some(value => value.includes(key))
      equal(said, false, 'whether a header beside Set-Cookie has the key')
    },
  },
  {
    id: 'adapter/clears-other-places',
    title:
      'a login with two different session cookies sets one, and deletes those of other places [A14, A18]',
    rule: 'Append every line of out.setCookies: two of one name differ in domain or path.',
    source: 'docs/design.md#two-cookies; RFC 6265 section 5.3 step 11',
    why: 'Two cookies would stay after a changed cookie domain, and no visitor could log in until the older one expires.',
    skip: needsStart,
    async run(f) {
      const app = await f.start({ cookie: { domain: 'example.test' } })
      const cookies = await loginWithTwo(f, app.url)
      const places = cookies.map(place)
      equal(places.length, new Set(places).size, 'the number of different places of the cookies')
      equal(
        cookies.filter(({ deletes }) => !deletes).map(place),
        ['example.test /'],
        'where the session is set',
      )
      equal(places.includes('host /'), true, 'whether the cookie of this host alone is deleted')
    },
  },
  {
    id: 'adapter/tells-where',
    title: 'a login with two different session cookies deletes one of an earlier path',
    rule: 'Tell commit where the browser asked: `target: () => ({ host, path })`.',
    source: 'docs/design.md#two-cookies; ResponseInfo.target',
    why: 'After the app’s cookie path or domain is taken back, no visitor could log in until the older cookie expires.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      const places = (await loginWithTwo(f, app.url)).map(place)
      equal(
        places.includes('host /login'),
        true,
        'whether a cookie with the first part of the path is deleted',
      )
    },
  },
  {
    id: 'adapter/cookie-grammar',
    title: 'the session is found among other cookies, however they look [A17]',
    rule: 'Hand the whole Cookie header to open(), as it came.',
    source:
      'docs/requirements.md#a17, docs/requirements.md#c27, docs/requirements.md#c28, docs/requirements.md#f31; RFC 6265bis section 5.8.3',
    why: 'A cookie of an analytics script would log the visitor out.',
    async run(f) {
      const browser = await f.browser()
      await browser.post('/set?k=user&v=ann')
      const own = browser.header ?? ''
      const url = `${await f.url()}/get?k=user`
      const around = [
        `a=1; ${own}; b=2`,
        `=nameless; ${own}`,
        `${own}; quoted="x; y"`,
        `broken; ; =; %zz=%zz; ${own};`,
        `${'x'.repeat(2_000)}=${'y'.repeat(2_000)}; ${own}`,
        `X-${f.cookieName}=other; ${own}; ${f.cookieName}x=other`,
      ]
      for (const cookie of around) {
        const response = await send(url, { cookie })
        status(response, 200, 'GET /get with many cookies')
        equal(
          response.json['value'],
          'ann',
          `the user, with the cookies ${cookie.replace(own, '…').slice(0, 60)}`,
        )
      }
      const raw = sendRaw(url, ['GET', 'Cookie: first=1', `Cookie: ${own}`, 'Cookie: last=1'])
      await raw.ended
      equal(raw.received().includes('"ann"'), true, 'whether the user is found among several Cookie headers')
    },
  },
]

/** The session cookies of a response to a login that came with two of them. */
async function loginWithTwo(f: AdapterFixture, url: string): Promise<SetCookie[]> {
  const cookie = ['a', 'b'].map(letter => `${f.cookieName}=${letter.repeat(32)}`).join('; ')
  const response = await send(`${url}/login?user=ann`, { method: 'POST', cookie })
  status(response, 200, 'POST /login with two session cookies')
  return sessionCookies(f, response)
}

/** Which place a cookie has in the browser's jar, beside its name. */
function place({ attributes }: SetCookie): string {
  const partition = attributes.has('partitioned') ? ' partitioned' : ''
  return `${attributes.get('domain') ?? 'host'} ${attributes.get('path')}${partition}`
}
