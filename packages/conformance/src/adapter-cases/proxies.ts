import { createSessions } from '@sess/core'
import { equal, fail, ok, show } from '../check.ts'
import { type SetCookie, send } from './client.ts'
import { type AdapterCase, type AdapterFixture, needsStart, type StartedApp } from './fixture.ts'
import { withoutMeans } from './means.ts'
import { newCookie, pause, sessionCookies, status } from './responses.ts'

const SOURCE = 'docs/conformance-space.md#an-adapter'

/** The device that a login with these headers leaves at the session of a user. */
async function deviceOf(
  app: StartedApp,
  headers: Record<string, string>,
): Promise<{ userAgent?: unknown; ip?: unknown }> {
  const user = `user-${headers['x-forwarded-for'] ?? 'without'}`
  status(await send(`${app.url}/login?user=${user}`, { method: 'POST', headers }), 200, 'POST /login')
  const [listed] = await createSessions({ store: app.store, devices: true }).list(user)
  if (!listed) fail('the session of a login to be listed', 'there was none')
  return (listed.device ?? {}) as { userAgent?: unknown; ip?: unknown }
}

const isLoopback = (ip: unknown) => typeof ip === 'string' && /^(?:(?:::ffff:)?127\.0\.0\.1|::1)$/.test(ip)

const VISITOR = '203.0.113.7'
const AGENT = 'Probe/1.0 (of the suite)'

/** The domains of the cookies that delete, of a response to a request with two different session cookies. */
async function deletedDomains(f: AdapterFixture, url: string, host: string): Promise<string[]> {
  const cookie = ['a', 'b'].map(letter => `${f.cookieName}=${letter.repeat(32)}`).join('; ')
  const headers = { 'x-forwarded-host': host }
  const response = await send(`${url}/login?user=ann`, { method: 'POST', cookie, headers })
  status(response, 200, `POST /login with X-Forwarded-Host: ${host} and two session cookies`)
  const domains = sessionCookies(f, response)
    .filter(({ deletes }: SetCookie) => deletes)
    .map(({ attributes }) => attributes.get('domain')?.toLowerCase().replace(/^\./, ''))
  return [...new Set(domains.filter(domain => domain !== undefined))].sort()
}

/** What an app knows of the client that stands behind a proxy: its protocol, the host that it asked for, its address. */
export const proxyCases: readonly AdapterCase[] = [
  {
    id: 'adapter/proxy-several',
    title: 'behind several proxies the cookie is Secure as the framework reads their list [A20]',
    rule: 'Ask the framework whether the request is secure. X-Forwarded-Proto is a list with an entry for each proxy.',
    source: `docs/design.md#secure-auto, docs/requirements.md#a20, ${SOURCE}`,
    why: 'Behind a content delivery network and a load balancer no cookie would be Secure.',
    skip: withoutMeans('proxy'),
    async run(f) {
      const app = await f.proxy!()
      const isSecure = async (proto: string): Promise<boolean> => {
        const headers = { 'x-forwarded-proto': proto, 'x-forwarded-for': `${VISITOR}, 127.0.0.1` }
        const response = await send(`${app.url}/set?k=a&v=1`, { method: 'POST', headers })
        status(response, 200, `POST /set with X-Forwarded-Proto: ${proto}`)
        return newCookie(f, response, 'the response to POST /set').attributes.has('secure')
      }
      for (const [proto, expected] of [
        ['https, https', true],
        ['https,https', true],
        ['http, http', false],
      ] as const)
        equal(
          await isSecure(proto),
          expected,
          `whether the cookie is Secure with X-Forwarded-Proto: ${proto}`,
        )
      // Frameworks go by the first entry or by the last, and so one of these is https.
      const mixed = [await isSecure('https, http'), await isSecure('http, https')]
      ok(
        mixed[0] !== mixed[1],
        'the cookie to be Secure with one of X-Forwarded-Proto: "https, http" and "http, https"',
        mixed[0] ? 'it was with both' : 'it was with neither',
      )
    },
  },
  {
    id: 'adapter/proxy-host',
    title: 'behind a trusted proxy the cookies of the host that the browser asked for are deleted [A14, A18]',
    rule: 'Tell commit the host of the framework’s own property, which follows its setting for proxies.',
    source: `docs/design.md#two-cookies, ${SOURCE}; ResponseInfo.target`,
    why: 'A cookie that a neighbouring host has planted would log the visitor out with every request.',
    skip: withoutMeans('proxy'),
    async run(f) {
      const app = await f.proxy!()
      for (const host of [
        'www.shop.example',
        'WWW.shop.example:8443',
        'www.shop.example, www.shop.example',
      ]) {
        const domains = await deletedDomains(f, app.url, host)
        const what = `the domains whose cookies are deleted with X-Forwarded-Host: ${host}`
        equal(domains, ['shop.example', 'www.shop.example'], what)
      }
    },
  },
  {
    id: 'adapter/forwarded-host',
    title: 'a host that a client made up does not say which cookies are deleted',
    rule: 'Without trust in a proxy X-Forwarded-Host says nothing.',
    source: `docs/design.md#two-cookies, ${SOURCE}; ResponseInfo.target`,
    why: 'The right cookie would stay, and the visitor be logged out with every request.',
    skip: needsStart,
    async run(f) {
      const app = await f.start()
      equal(await deletedDomains(f, app.url, 'www.shop.example'), [], 'the domains whose cookies are deleted')
    },
  },
  {
    id: 'adapter/devices',
    title: 'the list of a user’s devices shows the user agent, and the address of the connection',
    rule: 'Pass `device: () => ({ userAgent, ip })` to `begin` or `commit`. Leave `ip` out if the framework does not know it.',
    source: `docs/design.md#devices, ${SOURCE}; docs/devices.md`,
    why: 'A user could not tell the own phone from the one of a thief.',
    skip: needsStart,
    async run(f) {
      const app = await f.start({ devices: true })
      const headers = { 'user-agent': AGENT, 'x-forwarded-for': VISITOR }
      const { userAgent, ip } = await deviceOf(app, headers)
      equal(userAgent, AGENT, 'the user agent of the device')
      ok(
        ip === undefined || isLoopback(ip),
        'the address of the device to be that of the connection, 127.0.0.1, or absent where the framework has none',
        `it was ${show(ip)}`,
      )
      const nameless = await deviceOf(app, { 'user-agent': '' })
      ok(
        !nameless.userAgent,
        'no user agent where the request has none',
        `it was ${show(nameless.userAgent)}`,
      )
    },
  },
  {
    id: 'adapter/devices-at-once',
    title: 'of visitors who log in at the same time each has the own user agent in the list of devices [I3]',
    rule: 'What `device`, `secure`, `target` and `header` return is of their request, and of nothing that requests share.',
    source: `docs/design.md#devices, docs/requirements.md#i3, ${SOURCE}`,
    why: 'A user would see the device of a stranger, and not the one of the thief.',
    skip: needsStart,
    async run(f) {
      const app = await f.start({ devices: true })
      app.store.before = async () => await pause(30)
      const visitors = Array.from({ length: 5 }, (_, n) => ({ user: `user-${n}`, agent: `Agent/${n}` }))
      await Promise.all(
        visitors.map(async ({ user, agent }, n) => {
          await pause(n * 12)
          const headers = { 'user-agent': agent }
          // With a session before it, so that there is a load to wait for.
          const first = await send(`${app.url}/set?k=a&v=1`, { method: 'POST', headers })
          const cookie = newCookie(f, first, 'the response to POST /set')
          const login = await send(`${app.url}/login?user=${user}`, {
            method: 'POST',
            headers,
            cookie: `${cookie.name}=${cookie.value}`,
          })
          status(login, 200, `POST /login of ${user}`)
        }),
      )
      app.store.before = undefined
      const sessions = createSessions({ store: app.store, devices: true })
      for (const { user, agent } of visitors) {
        const [listed] = await sessions.list(user)
        equal(listed?.device?.userAgent, agent, 'the user agent of one of several logins at the same time')
      }
    },
  },
  {
    id: 'adapter/proxy-at-once',
    title:
      'of requests at the same time that come over TLS and without, each has its own cookie, Secure or not [A20]',
    rule: 'What `device`, `secure`, `target` and `header` return is of their request, and of nothing that requests share.',
    source: `docs/design.md#secure-auto, docs/requirements.md#a20, docs/requirements.md#i3, ${SOURCE}`,
    why: 'A cookie would travel in clear text because somebody else came over http at that moment.',
    skip: withoutMeans('proxy'),
    async run(f) {
      const app = await f.proxy!()
      const protocols = ['https', 'http', 'https', 'http', 'http', 'https']
      const cookieAt = async (path: string, proto: string, cookie?: string) => {
        const headers = { 'x-forwarded-proto': proto, 'x-forwarded-for': VISITOR }
        const response = await send(app.url + path, { method: 'POST', headers, cookie })
        status(response, 200, `POST ${path} with X-Forwarded-Proto: ${proto}`)
        return newCookie(f, response, `the response to POST ${path}`)
      }
      const visitors = []
      for (const proto of protocols) visitors.push({ proto, cookie: await cookieAt('/set?k=a&v=1', proto) })
      // While one session is loaded, another request begins.
      app.store.before = async () => await pause(30)
      const secure = await Promise.all(
        visitors.map(async ({ proto, cookie: { name, value } }, n) => {
          await pause(n * 8)
          return (await cookieAt('/cycle', proto, `${name}=${value}`)).attributes.has('secure')
        }),
      )
      equal(
        secure,
        protocols.map(proto => proto === 'https'),
        `whether the cookies are Secure of requests at once by ${protocols.join(', ')}`,
      )
    },
  },
  {
    id: 'adapter/proxy-devices',
    title: 'behind a trusted proxy the list of devices shows the address of the visitor',
    rule: 'Take the address from the framework’s own property (`req.ip`, `ctx.ip`, `request.ip`), not from the socket.',
    source: `docs/design.md#devices, ${SOURCE}; docs/devices.md`,
    why: 'All devices would have the address of the proxy, and nobody would notice a login from abroad.',
    skip: withoutMeans('proxy'),
    async run(f) {
      const knowsAddress = isLoopback((await deviceOf(await f.start({ devices: true }), {})).ip)
      const app = await f.proxy!({ devices: true })
      for (const visitor of [VISITOR, '2001:db8::7']) {
        const { userAgent, ip } = await deviceOf(app, { 'user-agent': AGENT, 'x-forwarded-for': visitor })
        equal(userAgent, AGENT, 'the user agent of the device')
        if (knowsAddress || ip !== undefined) equal(ip, visitor, 'the address of the device')
      }
      const inside = await deviceOf(app, { 'user-agent': AGENT })
      if (inside.ip !== undefined || knowsAddress)
        ok(isLoopback(inside.ip), 'the address of a request from inside', `it was ${show(inside.ip)}`)
    },
  },
]
