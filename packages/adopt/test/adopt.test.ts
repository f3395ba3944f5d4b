import { memoryStore } from '@sess/conformance'
import { createSessions, type StoredRecord } from '@sess/core'
import { session } from '@sess/express'
import { type Running, serve } from '@sess/test-fixtures/http.ts'
import express from 'express'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Jar } from './jar.ts'
import {
  cookieSessionApp,
  djangoApp,
  expressApp,
  hasDjango,
  ironApp,
  koaApp,
  type OldApp,
} from './old-apps.ts'

const apps: (() => OldApp)[] = [
  expressApp,
  cookieSessionApp,
  () => koaApp(false),
  () => koaApp(true),
  ironApp,
  ...(hasDjango() ? [djangoApp] : []),
]

interface NewApp extends Running {
  records: Map<string, StoredRecord>
  time: { now: number }
  events: string[]
}

/** The app after the change: Express with Sess, which adopts. */
async function newApp(old: OldApp, options: Parameters<OldApp['adopter']>[0] = {}): Promise<NewApp> {
  const records = new Map<string, StoredRecord>()
  const time = { now: Date.now() }
  const events: string[] = []
  const sessions = createSessions({
    store: memoryStore(records),
    cookie: { name: 'sess' },
    adopt: [old.adopter(options)],
    clock: () => time.now,
    hooks: {
      adopted: () => events.push('adopted'),
      storeError: () => events.push('storeError'),
      corrupt: () => events.push('corrupt'),
    },
  })
  const app = express()
  app.use(session(sessions))
  app.get('/me', (req, res) => {
    const { user = null, cart } = req.session.toJSON() as { user?: string; cart?: string[] }
    res.json({ user, cart })
  })
  app.get('/add/:key', (req, res) => {
    req.session.set(req.params.key as never, true as never)
    res.json({ user: req.session.get('user' as never) })
  })
  app.get('/logout', (req, res) => {
    req.session.flush()
    res.end()
  })
  return Object.assign(await serve(app), { records, time, events })
}

const ANN = { user: 'ann', cart: ['té'] }

function liveSessions(records: Map<string, StoredRecord>): number {
  return [...records.values()].filter(({ payload }) => !payload.includes('_session_superseded')).length
}

describe.each(apps.map(make => [make().name, make] as const))('a session of %s', (_, make) => {
  const old = make()
  let before: Running
  const servers: Running[] = []
  beforeAll(async () => {
    before = await serve(old.listener)
    servers.push(before)
  })
  afterAll(async () => {
    old.stop?.()
    await Promise.all(servers.map(server => server.stop()))
  })

  async function login(): Promise<Jar> {
    const jar = new Jar()
    await jar.get(`${before.url}/login?user=ann`)
    expect([...jar.cookies.keys()]).toEqual(old.cookies)
    expect((await jar.get(`${before.url}/me`)).json).toMatchObject(ANN)
    old.calls.length = 0
    return jar
  }
  async function after(options?: Parameters<OldApp['adopter']>[0]): Promise<NewApp> {
    const app = await newApp(old, options)
    servers.push(app)
    return app
  }

  it('goes on in the new app; the old cookie and the old record are gone', async () => {
    const jar = await login()
    const copy = jar.copy()
    const app = await after()
    expect((await jar.get(`${app.url}/me`)).json).toEqual(ANN)
    expect([...jar.cookies.keys()]).toEqual(['sess'])
    expect((await jar.get(`${app.url}/me`)).json).toEqual(ANN)
    expect(app.events).toEqual(['adopted'])
    if (old.revoke) {
      expect(old.calls).toEqual(['get', 'destroy'])
      expect((await copy.get(`${before.url}/me`)).json).toEqual({ user: null })
    }
  })

  it('is one session for ten parallel requests, and loses none of their changes', async () => {
    const jar = await login()
    const app = await after()
    const jars = Array.from({ length: 10 }, () => jar.copy())
    const answers = await Promise.all(jars.map((each, index) => each.get(`${app.url}/add/key${index}`)))
    expect(answers.map(({ json }) => json)).toEqual(Array.from({ length: 10 }, () => ({ user: 'ann' })))
    expect(new Set(jars.map(({ header }) => header)).size).toBe(1)
    expect(liveSessions(app.records)).toBe(1)
    const [record] = [...app.records.values()].filter(({ payload }) => payload.includes('ann'))
    for (let index = 0; index < 10; index++) expect(record!.payload).toContain(`"key${index}":true`)
  })

  it('is nothing after a logout, also for a copy of the old cookie', async () => {
    const jar = await login()
    const stolen = jar.copy()
    const app = await after()
    await jar.get(`${app.url}/me`)
    await jar.get(`${app.url}/logout`)
    expect(jar.header).toBe('')
    expect((await stolen.get(`${app.url}/me`)).json).toEqual({ user: null })
    expect(liveSessions(app.records)).toBe(0)
  })

  it('with `keep` stays in the old app until the logout', async () => {
    const jar = await login()
    const app = await after({ keep: true })
    expect((await jar.get(`${app.url}/me`)).json).toEqual(ANN)
    expect([...jar.cookies.keys()].sort()).toEqual([...old.cookies, 'sess'].sort())
    expect((await jar.get(`${before.url}/me`)).json).toMatchObject(ANN)
    await jar.get(`${app.url}/logout`)
    expect((await jar.get(`${before.url}/me`)).json).toEqual({ user: null })
  })

  it('is nothing if any character of its cookies is changed', async () => {
    const jar = await login()
    const app = await after()
    const [name = ''] = old.cookies
    let tried = 0
    for (const cookie of old.cookies) {
      const value = jar.cookies.get(cookie)!
      // The name of the format, and what iron-session writes after the mac, are not part of the session.
      const end = value.indexOf('~') < 0 ? value.length : value.indexOf('~')
      for (let at = 0; at < end; at += Math.ceil(end / 12)) {
        const forged = jar.copy()
        const other = value[at] === 'A' ? 'B' : 'A'
        forged.cookies.set(cookie, value.slice(0, at) + other + value.slice(at + 1))
        expect((await forged.get(`${app.url}/me`)).json, `${cookie} at ${at}`).toEqual({ user: null })
        tried++
      }
    }
    expect(tried).toBeGreaterThan(8)
    for (const value of [
      '',
      'x',
      's:x',
      's:x.',
      '{}',
      'e30=',
      'Fe26.2*1',
      '%',
      jar.cookies.get(name)!.slice(0, -5),
    ]) {
      const forged = new Jar([[name, value]])
      expect((await forged.get(`${app.url}/me`)).json, value).toEqual({ user: null })
    }
    expect([old.calls, app.records.size, app.events]).toEqual([[], 0, []])
    expect((await jar.get(`${app.url}/me`)).json).toEqual(ANN)
  })

  it('is nothing with another secret', async () => {
    const jar = await login()
    const app = await after({ secrets: ['quite-another-secret-0123456789-0123'] })
    expect((await jar.get(`${app.url}/me`)).json).toEqual({ user: null })
    expect([old.calls, app.records.size]).toEqual([[], 0])
  })

  it('is nothing if another genuine cookie of that name came as well', async () => {
    const jar = await login()
    const other = new Jar()
    await other.get(`${before.url}/login?user=bob`)
    const app = await after()
    const both = new Jar([['a', `1; ${jar.header}; ${other.header}`]])
    expect((await both.get(`${app.url}/me`)).json).toEqual({ user: null })
    expect(app.records.size).toBe(0)
  })

  const { life } = old
  const canExpire = life === undefined ? undefined : it
  canExpire?.('is nothing when it has expired', async () => {
    const jar = await login()
    const app = await after()
    app.time.now += life! + 2_000
    expect((await jar.get(`${app.url}/me`)).json).toEqual({ user: null })
    expect(liveSessions(app.records)).toBe(0)
  })

  const canEnd = old.revoke && it
  canEnd?.('is nothing when it was ended on the server, and its cookie goes', async () => {
    const jar = await login()
    await old.revoke!()
    const app = await after()
    expect((await jar.get(`${app.url}/me`)).json).toEqual({ user: null })
    expect(jar.header).toBe('')
    expect(app.records.size).toBe(0)
  })
})
