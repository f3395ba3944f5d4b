import { createSessions, type Session, type Store } from '@sess/core'
import { rich } from '@sess/core/rich'
import { cacheStore } from '@sess/store-cache'
import { encryptedCookieStore } from '@sess/store-cookie'
import { describe, expect, it, test } from 'vitest'
import { inspector } from '../src/index.ts'
import { ADMIN, authorize, fill, handlesIn, makeSite, type Site, tokenIn } from './site.ts'

const ORIGIN = 'http://app.test'
const SECRET = 'hunter2hunter2'

/** Every route, as a request that does its work when it is allowed to. */
async function everyRoute(site: Site): Promise<[method: string, path: string][]> {
  await site.login(session => {
    session.subject = '42'
  })
  const [handle] = handlesIn(await (await site.get('/sessions/list')).text())
  return [
    ['GET', '/sessions'],
    ['GET', '/sessions/'],
    ['GET', '/sessions/list'],
    ['GET', '/sessions/list?q=42'],
    ['GET', `/sessions/session/${handle}`],
    ['GET', '/sessions/live'],
    ['GET', '/sessions/events'],
    ['GET', '/sessions/style.css'],
    ['GET', '/sessions/script.js'],
    ['GET', '/sessions/icon.svg'],
    ['POST', '/sessions/find'],
    ['POST', `/sessions/session/${handle}/end`],
    ['POST', '/sessions/end-subject'],
  ]
}

/** The text of an attribute. */
function unescaped(text: string): string {
  return text.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)))
}

async function liveCount({ store }: Site): Promise<number> {
  let count = 0
  for await (const _ of store.scan!({ now: Date.now() })) count += 1
  return count
}

describe('authorize', () => {
  const refusals: [string, (request: Request) => unknown, number][] = [
    ['false', () => false, 403],
    ['nothing', () => undefined, 403],
    ['a truthy value that is not true', () => ({ id: 1, role: 'admin' }), 403],
    ['a rejection', () => Promise.reject(new Error(SECRET)), 500],
    [
      'an error',
      () => {
        throw new Error(SECRET)
      },
      500,
    ],
    ['a response', () => new Response('log in', { status: 401 }), 401],
  ]
  test.each(refusals)('no route and no method gets in when it gives %s', async (_, refuse, status) => {
    const open = makeSite()
    const closed = inspector(open.sessions, { authorize: refuse as never })
    const routes = await everyRoute(open)
    const known = await (await open.get('/sessions/')).text()
    const cookie = (await open.get('/sessions/')).headers.get('set-cookie')!.split(';')[0]!
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      for (const path of [...routes.map(([, path]) => path), '/sessions/nowhere', '/', '/admin']) {
        const response = await closed(
          new Request(ORIGIN + path, {
            method,
            headers: { authorization: ADMIN, cookie, origin: ORIGIN },
            ...(method === 'POST' && {
              body: new URLSearchParams({ token: tokenIn(known), q: '42', subject: '42' }),
            }),
          }),
        )
        expect([method, path, response.status]).toEqual([method, path, status])
        expect(response.headers.get('cache-control')).toBe('no-store')
        expect(response.headers.get('set-cookie')).toBeNull()
        expect(await response.text()).not.toMatch(/42|hunter2|sess_inspector|<form|@media/)
      }
    }
    expect(await liveCount(open)).toBe(1)
  })

  it('is required, and is a function', () => {
    const { sessions } = makeSite()
    for (const options of [undefined, {}, { authorize: true }, { authorize: undefined }]) {
      expect(() => inspector(sessions, options as never)).toThrow(/authorize: must be a function/)
    }
  })

  it('gets the request of each page', async () => {
    const seen: string[] = []
    const site = makeSite({
      authorize: request => seen.push(new URL(request.url).pathname) > 0 && authorize(request),
    })
    for (const path of ['/sessions/', '/sessions/style.css']) await site.get(path)
    expect(seen).toEqual(['/sessions/', '/sessions/style.css'])
  })
})

describe('a form', () => {
  it('ends a session, and its browser is logged out', async () => {
    const site = makeSite()
    const key = await site.login(session => {
      session.subject = '42'
    })
    const [handle] = handlesIn(await (await site.get('/sessions/list?q=42')).text())
    const response = await site.post(`/sessions/session/${handle}/end`)
    expect(response.status).toBe(303)
    const location = response.headers.get('location')!
    expect(location).toBe('/sessions/list?q=42&by=subject')
    expect(await site.sessions.exists(key)).toBe(false)
    const cookie = response.headers.getSetCookie()[0]!
    expect(cookie).toBe('sess_inspector_ended=1; Path=/sessions; HttpOnly; SameSite=Strict; Max-Age=60')
    const told = await site.get(location, { cookie: cookie.split(';')[0]! })
    expect(await told.text()).toContain('Ended 1 session.')
    // The browser then forgets it, so that a reload says nothing.
    expect(told.headers.getSetCookie()).toContain(
      'sess_inspector_ended=; Path=/sessions; HttpOnly; SameSite=Strict; Max-Age=0',
    )
    expect((await site.post(`/sessions/session/${handle}/end`)).status).toBe(404)
  })

  it('ends all sessions of one subject and of no other', async () => {
    const site = makeSite()
    for (const subject of ['42', '42', '421', '4'])
      await site.login(session => {
        session.subject = subject
      })
    const response = await site.post('/sessions/end-subject', { subject: '42' })
    expect(response.headers.get('location')).toBe('/sessions/list?q=42&by=subject')
    expect(response.headers.getSetCookie()[0]).toMatch(/^sess_inspector_ended=2; /)
    expect(await liveCount(site)).toBe(2)
  })

  it('alone makes a page say that sessions have ended, and no address and no hostile cookie', async () => {
    const site = makeSite()
    const page = await (await site.get('/sessions/list?q=1016&ended=777')).text()
    expect(page).not.toMatch(/class="done"|777/)
    for (const value of ['', '-1', '1<b>', '9'.repeat(20), 'NaN']) {
      const response = await site.get('/sessions/list', { cookie: `sess_inspector_ended=${value}` })
      expect(response.status).toBe(200)
      expect(await response.text()).not.toContain('class="done"')
    }
  })

  type Change = (parts: { headers: Record<string, string>; fields: Record<string, string> }) => void
  const forgeries: [string, Change][] = [
    ['without a token', ({ fields }) => delete fields['token']],
    [
      'with an empty token',
      ({ fields }) => {
        fields['token'] = ''
      },
    ],
    [
      'with a wrong token',
      ({ fields }) => {
        fields['token'] = 'A'.repeat(43)
      },
    ],
    ['without the cookie', ({ headers }) => delete headers['cookie']],
    [
      'with the cookie of another browser',
      ({ headers }) => {
        headers['cookie'] = `sess_inspector=${'B'.repeat(43)}`
      },
    ],
    [
      'from another login',
      ({ headers }) => {
        headers['cookie'] += '; sessionid=0aqt1xv9mz3k5n7d2c4b6f8h1j3l5p7r'
      },
    ],
    ['without an Origin', ({ headers }) => delete headers['origin']],
    [
      'from another site',
      ({ headers }) => {
        headers['origin'] = 'https://evil.test'
      },
    ],
    [
      'from another port',
      ({ headers }) => {
        headers['origin'] = 'http://app.test:8080'
      },
    ],
    [
      'from a sandboxed frame',
      ({ headers }) => {
        headers['origin'] = 'null'
      },
    ],
    [
      'that the browser calls cross-site',
      ({ headers }) => {
        headers['sec-fetch-site'] = 'cross-site'
      },
    ],
    [
      'that the browser calls same-site',
      ({ headers }) => {
        headers['sec-fetch-site'] = 'same-site'
      },
    ],
  ]
  test.each(forgeries)('%s does nothing, on every route that takes one', async (_, change) => {
    const site = makeSite()
    const routes = (await everyRoute(site)).filter(([method]) => method === 'POST')
    const page = await site.get('/sessions/')
    const cookie = page.headers.get('set-cookie')!.split(';')[0]!
    const token = tokenIn(await page.text())
    for (const [, path] of routes) {
      const headers: Record<string, string> = { authorization: ADMIN, cookie, origin: ORIGIN }
      const fields: Record<string, string> = { token, subject: '42', q: '42' }
      change({ headers, fields })
      const response = await site.inspect(
        new Request(ORIGIN + path, { method: 'POST', headers, body: new URLSearchParams(fields) }),
      )
      expect([path, response.status]).toEqual([path, 403])
    }
    expect(await liveCount(site)).toBe(1)
    expect(routes).toHaveLength(3)
  })

  it('must be a form, and a short one', async () => {
    const site = makeSite()
    await everyRoute(site)
    expect((await site.post('/sessions/find', { q: 'x'.repeat(10_000) })).status).toBe(413)
    expect((await site.post('/sessions/find', {}, { 'content-type': 'application/json' })).status).toBe(415)
    expect((await site.post('/sessions/end-subject', { subject: '' })).status).toBe(422)
    expect((await site.post('/sessions/end-subject', { subject: 'x'.repeat(256) })).status).toBe(422)
    expect(await liveCount(site)).toBe(1)
  })

  it('has its key in a cookie that no script and no other site gets', async () => {
    const site = makeSite()
    const page = await site.get('/sessions/')
    expect(page.headers.get('set-cookie')).toMatch(
      /^sess_inspector=[\w-]{43}; Path=\/sessions; HttpOnly; SameSite=Strict$/,
    )
    const secure = await site.inspect(
      new Request('https://app.test/sessions/', { headers: { authorization: ADMIN } }),
    )
    expect(secure.headers.get('set-cookie')).toMatch(/; Secure$/)
  })
})

describe('every response', () => {
  it('has a strict policy and is stored by nobody', async () => {
    const site = makeSite()
    for (const [method, path] of await everyRoute(site)) {
      const response =
        method === 'GET' ? await site.get(path) : await site.post(path, { q: 'a', subject: '1' })
      expect(response.status).toBeLessThan(400)
      expect(response.headers.get('cache-control')).toBe('no-store')
      expect(response.headers.get('x-content-type-options')).toBe('nosniff')
      const policy = response.headers.get('content-security-policy')!
      expect(policy).toContain("default-src 'none'")
      expect(policy).not.toMatch(/unsafe|\*|data:|https?:/)
      if (path.endsWith('/events')) await response.body!.cancel()
      else if (response.headers.get('content-type')?.startsWith('text/html')) {
        expect(await response.text()).not.toMatch(/<style|\sstyle=|\son\w+=|<script(?! src=)/)
      }
    }
  })

  it('answers HEAD as GET without a body, and says which methods there are', async () => {
    const site = makeSite()
    for (const [method, path] of await everyRoute(site)) {
      const send = (method: string) =>
        site.inspect(new Request(ORIGIN + path, { method, headers: { authorization: ADMIN } }))
      const head = await send('HEAD')
      expect(head.status).toBe(method === 'GET' ? 200 : 405)
      expect(await head.text()).toBe('')
      const put = await send('PUT')
      expect([put.status, put.headers.get('allow')]).toEqual([405, method === 'GET' ? 'GET, HEAD' : 'POST'])
    }
    for (const path of ['/sessions/nowhere', '/sessions/session/', '/sessions/session/a/b', '/elsewhere']) {
      expect((await site.get(path)).status).toBe(404)
    }
  })
})

describe('data', () => {
  it('are text, whatever they are', async () => {
    const site = makeSite()
    const hostile: Record<string, unknown> = JSON.parse(`{
      "__proto__": "proto", "constructor": { "prototype": 1 }, "toString": "x", "": "empty name",
      "<img src=x onerror=alert(1)>": "</script><script>alert(1)</script>", "a\\" onmouseover=\\"alert(1)": "' x='",
      "separator": "\\u2028\\u2029", "override": "\\u202egnp.exe", "nul": "\\u0000\\u001b[2J", "lone": "\\ud800"
    }`)
    let deep: unknown = 'bottom'
    for (let level = 0; level < 900; level++) deep = { '<b>': deep }
    await site.login(session => {
      session.subject = '<script>alert("subject")</script>\u202e'
      for (const [name, value] of Object.entries(hostile))
        (session as never as Map<string, unknown>).set(name, value)
      ;(session as never as Map<string, unknown>).set('deep', deep)
    })
    const list = await (await site.get('/sessions/list')).text()
    const session = await (await site.get(`/sessions/session/${handlesIn(list)[0]}`)).text()
    const found = await (
      await site.get(`/sessions/list?q=${encodeURIComponent('"><script>alert(2)</script>')}`)
    ).text()
    for (const page of [list, session, found]) {
      expect(page.match(/<script/g)).toEqual(['<script'])
      expect(page).not.toMatch(/<(img|b|iframe)[ >]/)
      expect(page.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u)
      expect(page.isWellFormed()).toBe(true)
    }
    for (const shown of [
      '__proto__',
      'proto',
      'constructor',
      'empty name',
      '\\u202egnp.exe',
      '\\u0000',
      '\\ud800',
      'nested deeper than 64',
    ]) {
      expect(session).toContain(shown.replaceAll('\\', '\\'))
    }
  })

  it('of a megabyte, and of many values, make a small page', async () => {
    const site = makeSite()
    await site.login(session => {
      const data = session as never as Map<string, unknown>
      data.set('long', 'x'.repeat(900_000))
      data.set(
        'many',
        Array.from({ length: 20_000 }, (_, at) => at),
      )
    })
    const [handle] = handlesIn(await (await site.get('/sessions/list')).text())
    const page = await (await site.get(`/sessions/session/${handle}`)).text()
    expect(page.length).toBeLessThan(200_000)
    expect(page).toContain('898,000 characters more')
    expect(page).toMatch(/19,\d{3} more, which are not shown/)
  })

  it('that are secret reach no page, and no search finds them', async () => {
    const site = makeSite(
      {
        redact: path => {
          if (path[0] === 'bad') throw new Error(SECRET)
          return path[0] === 'address'
        },
      },
      { codec: rich() },
    )
    await site.login(session => {
      session.subject = '42'
      const data = session as never as Map<string, unknown>
      data.set('password', SECRET)
      data.set('login', { apiKey: SECRET, tokens: [SECRET], map: new Map([['secret', SECRET]]) })
      data.set('header', `Bearer ${SECRET}`)
      data.set('address', { street: SECRET })
      data.set('bad', SECRET)
      data.set('name', 'ada')
    })
    const [handle] = handlesIn(await (await site.get('/sessions/list')).text())
    const page = await (await site.get(`/sessions/session/${handle}`)).text()
    expect(page).toContain('ada')
    expect(page.match(/masked"/g)!.length).toBeGreaterThanOrEqual(6)
    for (const query of [
      '',
      `?q=${SECRET}`,
      `?q=password%3D${SECRET}`,
      `?q=${SECRET.slice(0, 4)}&by=value`,
      '?q=login.apiKey%3D••••••',
    ]) {
      const text = await (await site.get(`/sessions/list${query}`)).text()
      expect(text.replaceAll(/value="[^"]*"|<bdi>[^<]*<\/bdi>|<title>.*/g, '')).not.toContain(SECRET)
      expect(handlesIn(text)).toHaveLength(query === '' || query.includes('••') ? 1 : 0)
    }
    for (const path of [`/sessions/session/${handle}`, '/sessions/', '/sessions/live']) {
      expect(await (await site.get(path)).text()).not.toContain(SECRET)
    }
  })

  it('that no codec can read are not quoted', async () => {
    const site = makeSite()
    const id = 'a'.repeat(40)
    await site.store.insert(id, { payload: `{"password":"${SECRET}`, expiresAt: Date.now() + 60_000 })
    const page = await (await site.get(`/sessions/session/${id}`)).text()
    expect(page).toContain('cannot be decoded')
    expect(page).not.toContain('hunter')
    expect((await site.post(`/sessions/session/${id}/end`)).status).toBe(303)
    expect(await liveCount(site)).toBe(0)
  })
})

describe('a search', () => {
  it('finds by subject, id, beginning of an id, key and value', async () => {
    const site = makeSite()
    await fill(site, 12)
    const key = await site.login(session => {
      session.subject = 'Zoë'
      ;(session as never as Map<string, unknown>).set('order', { number: 815, ref: 'A-1' })
    })
    const [handle] = handlesIn(await (await site.get(`/sessions/list?q=${encodeURIComponent('Zoë')}`)).text())
    const all = handlesIn(await (await site.get('/sessions/list')).text())
    expect(all).toHaveLength(13)
    expect(all[0]).toBe(handle)
    for (const q of ['Zoë', handle!.slice(0, 8), 'order.number=815', 'order.ref=A-1', '815']) {
      const page = await (await site.get(`/sessions/list?${new URLSearchParams({ q })}`)).text()
      expect([q, handlesIn(page)]).toEqual([q, [handle]])
    }
    for (const q of [handle!, key, ` ${key} `]) {
      const found = await site.post('/sessions/find', { q })
      expect(found.headers.get('location')).toBe(`/sessions/session/${handle}`)
    }
    expect((await site.post('/sessions/find', { q: 'Zoë & co' })).headers.get('location')).toBe(
      '/sessions/list?q=Zo%C3%AB+%26+co',
    )
    const none = await (await site.get('/sessions/list?q=nobody')).text()
    expect(none).toContain('No live session has that. It may have ended or expired, or there was none.')
    const nobody = await (await site.get('/sessions/list?q=nobody&by=subject')).text()
    expect(nobody).toContain('or there is no such subject.')
    const gone = await (await site.get(`/sessions/session/${'a'.repeat(40)}`)).text()
    expect(gone).toContain('It has ended or expired, or there was none.')
  })

  it('is what the page of a session leads back to', async () => {
    const site = makeSite()
    for (let at = 0; at < 52; at++)
      await site.login(session => {
        session.subject = at === 0 ? 'Zoë & "co"' : 'other'
      })
    const backFrom = async (list: string) => {
      const link = /href="(\/sessions\/session\/[^"]+)"/.exec(await (await site.get(list)).text())![1]!
      const page = await (await site.get(unescaped(link))).text()
      const [, href, text] = /<p class="crumbs"><a href="([^"]*)">(.*?)<\/a>/.exec(page)!
      return [unescaped(href!), text]
    }
    expect(await backFrom('/sessions/list')).toEqual(['/sessions/list', 'All sessions'])
    expect(await backFrom('/sessions/list?skip=50')).toEqual(['/sessions/list?skip=50', 'All sessions'])
    const subject = '/sessions/list?q=Zo%C3%AB+%26+%22co%22&by=subject'
    const found = 'Search: <bdi>Zoë &#38; &#34;co&#34;</bdi>'
    expect(await backFrom(subject)).toEqual([subject, found])
    expect(await backFrom('/sessions/list?q=other&skip=50')).toEqual([
      '/sessions/list?q=other&skip=50',
      'Search: <bdi>other</bdi>',
    ])
  })

  it('leads back to nothing but a list, whatever the address says', async () => {
    const site = makeSite()
    await site.login(session => void session.set('a', 1))
    const [handle] = handlesIn(await (await site.get('/sessions/list')).text())
    const hostile = new URLSearchParams({
      q: '"><script>alert(1)</script>//evil.test',
      by: 'javascript:alert(1)',
      skip: '-1',
      after: '1e9',
      back: 'https://evil.test',
    })
    const page = await (await site.get(`/sessions/session/${handle}?${hostile}`)).text()
    const [, href] = /<p class="crumbs"><a href="([^"]*)">/.exec(page)!
    expect(unescaped(href!)).toBe(`/sessions/list?${new URLSearchParams({ q: hostile.get('q')! })}`)
    expect(page).not.toMatch(/<script>|javascript:|1e9|https:/)
  })

  it('shows the exact times of a session', async () => {
    const site = makeSite()
    await site.login(
      session => {
        session.subject = '42'
      },
      Date.now() - 3 * 3_600_000,
    )
    const [handle] = handlesIn(await (await site.get('/sessions/list')).text())
    const page = await (await site.get(`/sessions/session/${handle}`)).text()
    expect(page).toMatch(
      /<dt>Created<\/dt><dd><time [^>]+>3 hours ago<\/time> <span class="muted">\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?Z<\/span>/,
    )
  })

  it.each([
    ['a UUID without dashes', '550e8400e29b41d4a716446655440000'],
    ['a digest', 'da39a3ee5e6b4b0d3255bfef95601890afd80709'],
  ])('finds a user whose name is %s, and might be an id or a key', async (_, subject) => {
    for (const hashKeys of [true, false]) {
      const site = makeSite({}, { hashKeys })
      await site.login(session => {
        session.subject = subject
      })
      for (const by of ['any', 'subject']) {
        const found = await site.post('/sessions/find', { q: subject, by })
        const list = await (await site.get(found.headers.get('location')!)).text()
        expect(handlesIn(list)).toHaveLength(1)
      }
      const none = await site.post('/sessions/find', { q: subject.replace('5', '6'), by: 'id' })
      expect(none.headers.get('location')).toBe(`/sessions/list?q=${subject.replace('5', '6')}&by=id`)
    }
  })

  it('for a key that opens no session has no address, but a user of that name is found', async () => {
    const site = makeSite()
    const key = await site.login(session => {
      session.subject = '42'
    })
    await site.sessions.delete(key)
    for (const by of ['any', 'id']) {
      const found = await site.post('/sessions/find', { q: key, by })
      expect([found.status, found.headers.get('location')]).toEqual([404, null])
      expect(await found.text()).toContain('It has ended or expired')
    }
    await site.login(session => {
      session.subject = key
    })
    const found = await site.post('/sessions/find', { q: key })
    expect(handlesIn(await (await site.get(found.headers.get('location')!)).text())).toHaveLength(1)
  })

  it('goes through a store page by page, and misses none', async () => {
    const site = makeSite({}, { store: cacheStore() })
    for (let at = 0; at < 120; at++)
      await site.login(
        session => {
          session.subject = `user-${at}`
        },
        Date.now() - at * 1_000,
      )
    const seen: string[] = []
    let path: string | undefined = '/sessions/list'
    while (path !== undefined) {
      const page: string = await (await site.get(path)).text()
      seen.push(...handlesIn(page))
      path = /rel="next" href="([^"]+)"/.exec(page)?.[1]?.replaceAll('&#38;', '&')
    }
    expect(new Set(seen).size).toBe(120)
    expect(seen).toHaveLength(120)
  })
})

describe('a session with a new key', () => {
  /** A session of Ada, its key, and the handle that it had before the login. */
  async function loggedInAnew() {
    const site = makeSite()
    const before = await site.login(session => void session.set('cart', ['tea']))
    const [old] = handlesIn(await (await site.get('/sessions/list')).text())
    const session = site.sessions.open(`sessionid=${before}`)
    await session.load()
    session.cycleKey()
    session.subject = 'ada'
    await site.sessions.commit(session, { status: 200 })
    const [handle] = handlesIn(await (await site.get('/sessions/list')).text())
    return { site, old: old!, handle: handle!, keys: [before, session.sessionKey!] }
  }

  it('is found by its old id and its old key, and the page says where it goes on', async () => {
    const { site, old, handle, keys } = await loggedInAnew()
    const page = await (await site.get(`/sessions/session/${old}`)).text()
    expect(page).toContain('has a new id')
    expect(handlesIn(page)).toEqual([handle])
    expect(page).not.toMatch(/nobody has logged in|End this session|<form/)
    for (const q of [old, keys[0]!]) {
      const found = await site.post('/sessions/find', { q })
      expect(found.headers.get('location')).toBe(`/sessions/session/${old}`)
    }
  })

  it('is not ended by a form for its old id', async () => {
    const { site, old, handle, keys } = await loggedInAnew()
    const response = await site.post(`/sessions/session/${old}/end`)
    expect(response.status).toBe(409)
    expect(handlesIn(await response.text())).toEqual([handle])
    expect(await site.sessions.exists(keys[1]!)).toBe(true)
    expect((await site.post(`/sessions/session/${handle}/end`)).status).toBe(303)
    // The marker leads nowhere now.
    expect((await site.get(`/sessions/session/${old}`)).status).toBe(404)
    expect((await site.post(`/sessions/session/${old}/end`)).status).toBe(404)
  })

  it('counts as one that was created and one that ended', async () => {
    const { site, keys } = await loggedInAnew()
    const overview = async () => (await site.get('/sessions/')).text()
    expect(await overview()).toContain('1 created and 0 ended')
    // A logout by the old key: it ends the session, and removes the marker too.
    await site.sessions.delete(keys[0]!)
    expect(await overview()).toContain('1 created and 1 ended')
    const live = await (await site.get('/sessions/live')).text()
    expect([...live.matchAll(/<span class="tag [\w-]+">([^<]+)/g)].map(([, kind]) => kind)).toEqual([
      'old key removed',
      'ended',
      'new key',
      'created',
    ])
  })
})

describe('a store', () => {
  it('with session keys as ids shows no key', async () => {
    const site = makeSite({}, { hashKeys: false })
    const key = await site.login(session => {
      session.subject = '42'
    })
    await site.login(session => {
      session.subject = '43'
    })
    const list = await (await site.get('/sessions/list?q=42')).text()
    const [handle] = handlesIn(list)
    const pages = [list]
    for (const path of ['/sessions/', '/sessions/live', `/sessions/session/${handle}`])
      pages.push(await (await site.get(path)).text())
    for (const page of pages) expect(page).not.toContain(key.slice(0, 12))
    expect((await site.post('/sessions/find', { q: key })).headers.get('location')).toBe(
      `/sessions/session/${handle}`,
    )
    expect((await site.post(`/sessions/session/${handle}/end`)).status).toBe(303)
    expect([await site.sessions.exists(key), await liveCount(site)]).toEqual([false, 1])
  })

  it('that fails is an error page without its message', async () => {
    const errors: unknown[] = []
    const store = cacheStore()
    const failing = {
      ...store,
      scan: () => {
        throw new Error(SECRET)
      },
      read: () => Promise.reject(new Error(SECRET)),
    }
    const site = makeSite(
      {},
      { store: failing, hooks: { error: (error, source) => errors.push(source) && error } },
    )
    for (const path of ['/sessions/', '/sessions/list', `/sessions/session/${'a'.repeat(40)}`]) {
      const response = await site.get(path)
      expect(response.status).toBe(503)
      expect(await response.text()).not.toContain(SECRET)
    }
    expect(errors).toEqual(['inspector', 'inspector', 'inspector'])
  })

  it('without a list says what can be done', async () => {
    const { scan: _, scanBySubject: __, removeBySubject: ___, count: ____, ...store } = cacheStore()
    const site = makeSite({}, { store })
    const key = await site.login(session => {
      session.subject = '42'
    })
    const list = await site.get('/sessions/list')
    expect(list.status).toBe(501)
    expect(await list.text()).toContain('Search for a whole id or session key.')
    expect(await (await site.get('/sessions/')).text()).toContain('This store cannot list its sessions.')
    const found = await site.post('/sessions/find', { q: key })
    expect((await site.get(found.headers.get('location')!)).status).toBe(200)
  })

  it('says how many expired sessions wait, if it counts them', async () => {
    const { count: _, ...uncounted } = cacheStore()
    const { clearExpired: __, ...selfClearing } = uncounted
    const expected: [Store, RegExp][] = [
      [cacheStore(), /<b>1<\/b><span class="muted">until expired sessions are cleared/],
      [uncounted, /<b>not counted<\/b>/],
      [selfClearing, /<b>none<\/b><span class="muted">The store removes them itself/],
    ]
    for (const [store, text] of expected) {
      const site = makeSite({}, { store })
      await store.insert('e'.repeat(40), { payload: '{}', expiresAt: Date.now() - 1_000 })
      expect(await (await site.get('/sessions/')).text()).toMatch(text)
    }
  })

  it('in the cookies has nothing to show', async () => {
    const sessions = createSessions({
      store: encryptedCookieStore(),
      secret: 'kD9vXo3c1Yq8mZr5T7uW2bE4nH6jL0pS',
    })
    const inspect = inspector(sessions, { authorize })
    for (const path of ['/sessions/', '/sessions/list']) {
      const response = await inspect(new Request(ORIGIN + path, { headers: { authorization: ADMIN } }))
      expect(response.status).toBe(501)
      expect(await response.text()).toContain('notBefore')
    }
  })
})

describe('what happens', () => {
  it('is counted by the hour and sent as it happens', async () => {
    const site = makeSite()
    const response = await site.get('/sessions/events')
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    const reader = response
      .body!.pipeThrough(new TextDecoderStream() as never)
      .getReader() as ReadableStreamDefaultReader<string>
    const key = await site.login(session => {
      session.subject = '<b>'
    })
    await site.sessions.delete(key)
    let text = ''
    while (!text.includes('"ended"')) text += (await reader.read()).value
    await reader.cancel()
    expect(text).toMatch(
      /id: 1\ndata: \{"number":1,"at":\d+,"kind":"created","tone":"begin","id":"[0-9a-f]{40}","detail":""\}\n\n/,
    )
    expect(text).not.toContain('<b>')
    const again = await site.get('/sessions/events', { 'last-event-id': '1' })
    const missed = again
      .body!.pipeThrough(new TextDecoderStream() as never)
      .getReader() as ReadableStreamDefaultReader<string>
    let rest = ''
    while (!rest.includes('"ended"')) rest += (await missed.read()).value
    await missed.cancel()
    expect(rest).not.toContain('"created"')
    const overview = await (await site.get('/sessions/')).text()
    expect(overview).toContain('1 created and 1 ended')
  })

  it.each([true, false])(
    'counts each end once when all of a user are ended (with an index: %s)',
    async indexed => {
      const { removeBySubject, ...store } = cacheStore()
      const site = makeSite({}, { store: { ...store, ...(indexed && { removeBySubject }) } as Store })
      for (const subject of ['42', '42', '43'])
        await site.login(session => {
          session.subject = subject
        })
      const response = await site.post('/sessions/end-subject', { subject: '42' })
      expect(response.headers.getSetCookie()[0]).toMatch(/^sess_inspector_ended=2; /)
      expect(await (await site.get('/sessions/')).text()).toContain('3 created and 2 ended')
    },
  )

  it('is shown when a key is used again after its rotation', async () => {
    let now = Date.now()
    const sessions = createSessions({ store: cacheStore(), reuse: 'report', clock: () => now })
    const inspect = inspector(sessions, { authorize })
    const visit = async (cookie: string, use: (session: Session) => void) => {
      const session = sessions.open(cookie)
      await session.load()
      use(session as Session)
      await sessions.commit(session, { status: 200 })
      return `sessionid=${session.sessionKey}`
    }
    const old = await visit('', session => {
      session.subject = 'ada'
    })
    await visit(old, session => session.cycleKey())
    now += 60_000
    await visit(old, session => void session.get('cart'))
    const page = await inspect(new Request(`${ORIGIN}/sessions/live`, { headers: { authorization: ADMIN } }))
    expect(await page.text()).toMatch(/<span class="tag alarm">old key used/)
  })

  it('is not shown in a process that does not serve the app', async () => {
    const site = makeSite({ live: false })
    const overview = await (await site.get('/sessions/')).text()
    expect(overview).not.toMatch(/\/live|By the hour/)
    for (const path of ['/sessions/live', '/sessions/events']) expect((await site.get(path)).status).toBe(404)
  })
})

describe('options', () => {
  test.each([
    [{ basePath: 'sessions' }, /basePath: must be a path/],
    [{ basePath: '/sessions/' }, /basePath: must be a path/],
    [{ basePath: '/a"b' }, /basePath: must be a path/],
    [{ redact: true }, /redact: must be a function/],
    [{ label: 1 }, /label: must be a string/],
    [{ live: 'no' }, /live: must be true or false/],
    [{ path: '/x' }, /path: unknown option/],
  ])('%j is an error that says what is right', (options, message) => {
    expect(() => makeSite(options as never)).toThrow(message)
  })

  test.each(['', '/a', '/admin/users/sessions'])('basePath %j is in every link', async basePath => {
    const site = makeSite({ basePath, label: '<Shop>', notice: 'Only a demo & more.' })
    await fill(site, 3)
    const page = await (await site.get(`${basePath}/list`)).text()
    const links = [...page.matchAll(/(?:href|src|action)="([^"#]+)"/g)].map(([, link]) => link!)
    for (const link of links) {
      expect(link.startsWith(`${basePath}/`)).toBe(true)
      if (!/\/(find|end-subject)$/.test(link)) {
        const response = await site.get(link)
        expect([link, response.status]).toEqual([link, 200])
      }
    }
    expect(page).toContain('&#60;Shop&#62;')
    expect(page).toContain('Only a demo &#38; more.')
  })
})
