import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { Store } from '@sess/core'
import { cookiesOf, type Running, request, serve } from '@sess/test-fixtures/http.ts'
import { openStore } from '@sess/test-fixtures/probe-stores.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toExpressStore } from '../src/index.ts'

// Libraries that take a store for express-session, unmodified, over the bridge to SQLite.

// They have no types here, because they and our adapters declare the same property of a request.
const load = createRequire(import.meta.url)

const SECRET = 'a-secret-of-thirty-two-bytes-0123456789'

/** A slow request waits here until it may end. */
interface Gate {
  entered: Promise<void>
  enter(): void
  released: Promise<void>
  release(): void
}

function gate(): Gate {
  const [entered, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  return {
    entered: entered.promise,
    enter: () => entered.resolve(),
    released: released.promise,
    release: () => released.resolve(),
  }
}

/** One app of a library: `/login`, `/me`, `/slow` (which changes the session when the gate opens) and `/logout`. */
type App = (store: Store, gates: { slow: Gate }) => Promise<Running>

/** An app of Express, without its `/logout`. `property`: where its middleware puts the session on the request. */
function expressApp(middleware: unknown, property: string, gates: { slow: Gate }): any {
  const app = load('express')()
  app.use(middleware)
  app.get('/login', (req: any, res: any) => {
    req[property].user = 'ada'
    res.end('ok')
  })
  app.get('/me', (req: any, res: any) => res.json({ user: req[property].user ?? null }))
  app.get('/slow', async (req: any, res: any) => {
    gates.slow.enter()
    await gates.slow.released
    req[property].changed = true
    res.end('slow')
  })
  return app
}

const throughExpress: App = (store, gates) => {
  const options = { store: toExpressStore(store), secret: SECRET, resave: false, saveUninitialized: false }
  const app = expressApp(load('express-session')(options), 'session', gates)
  app.get('/logout', (req: any, res: any) => req.session.destroy(() => res.end('bye')))
  return serve(app)
}

const throughNext: App = (store, gates) => {
  const nextSession = load('next-session').default
  const { promisifyStore } = load('next-session/lib/compat')
  const getSession = nextSession({ store: promisifyStore(toExpressStore(store)) })
  return serve(
    createServer(async (req, res) => {
      const session = await getSession(req, res)
      if (req.url === '/login') session.user = 'ada'
      if (req.url === '/logout') await session.destroy()
      if (req.url === '/slow') {
        gates.slow.enter()
        await gates.slow.released
        session.changed = true
      }
      res.end(JSON.stringify({ user: session.user ?? null }))
    }),
  )
}

const throughFastify: App = async (store, gates) => {
  const fastify = load('fastify')
  const app = fastify()
  app.register(load('@fastify/cookie'))
  app.register(load('@fastify/session'), {
    store: toExpressStore(store),
    secret: SECRET,
    cookie: { secure: false },
    saveUninitialized: false,
  })
  app.get('/login', async (req: any) => {
    req.session.user = 'ada'
    return 'ok'
  })
  app.get('/me', async (req: any) => ({ user: req.session.user ?? null }))
  app.get('/slow', async (req: any) => {
    gates.slow.enter()
    await gates.slow.released
    req.session.changed = true
    return 'slow'
  })
  app.get('/logout', async (req: any) => {
    await req.session.destroy()
    return 'bye'
  })
  await app.ready()
  return serve(app.server)
}

/** Its session module alone, with the options that its configuration makes: a login needs a provider. */
const throughOpenidConnect: App = (store, gates) => {
  const appSession = load('express-openid-connect/lib/appSession')
  const { get } = load('express-openid-connect/lib/config')
  const config = get({
    secret: SECRET,
    clientID: 'client',
    baseURL: 'http://127.0.0.1',
    issuerBaseURL: 'http://127.0.0.1:1',
    session: { store: toExpressStore(store), cookie: { secure: false } },
  })
  const app = expressApp(appSession(config), 'appSession', gates)
  app.get('/logout', (req: any, res: any) => {
    req.appSession = undefined
    res.end('bye')
  })
  return serve(app)
}

const APPS: Record<string, App> = {
  'express-session': throughExpress,
  'next-session': throughNext,
  '@fastify/session': throughFastify,
  'express-openid-connect': throughOpenidConnect,
}

describe.each(Object.entries(APPS))('%s', (_, start) => {
  const gates = { slow: gate() }
  let store: Store
  let app: Running
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await openStore('sqlite')
    store = opened.store as Store
    close = opened.close
    app = await start(store, gates)
  })
  afterAll(async () => {
    await app.stop()
    await close()
  })

  const count = async () => {
    let sessions = 0
    for await (const _ of store.scan!()) sessions++
    return sessions
  }

  it('keeps a session', async () => {
    const cookie = cookiesOf(await request(`${app.url}/login`))
    expect(cookie).not.toBe('')
    expect((await request(`${app.url}/me`, { cookie })).json).toEqual({ user: 'ada' })
    expect((await request(`${app.url}/me`)).json).toEqual({ user: null })
  })

  it('does not bring back a session that is logged out while a slow request runs', async () => {
    const cookie = cookiesOf(await request(`${app.url}/login`))
    const before = await count()
    gates.slow = gate()
    const slow = request(`${app.url}/slow`, { cookie })
    await gates.slow.entered
    await request(`${app.url}/logout`, { cookie })
    expect(await count()).toBe(before - 1)
    gates.slow.release()
    expect((await slow).status).toBe(200)
    expect(await count()).toBe(before - 1)
    expect((await request(`${app.url}/me`, { cookie })).json).toEqual({ user: null })
  })
})

describe('keycloak-connect', () => {
  it('ends the login in a session that it finds by its id, as Keycloak asks on a logout there', async () => {
    const KeycloakStore = load('keycloak-connect/stores/session-store')
    const { store, close } = await openStore('sqlite')
    const bridge = toExpressStore(store as Store)
    const keycloak = new KeycloakStore(bridge)
    const get = () =>
      new Promise<any>((resolve, reject) =>
        bridge.get('sid', (error, found) => (error ? reject(error) : resolve(found))),
      )
    const session = { cookie: {}, user: 'ada', [KeycloakStore.TOKEN_KEY]: 'token' }
    await new Promise(resolve => bridge.set('sid', session, resolve))
    keycloak.clear('sid')
    await expect.poll(get).toEqual({ cookie: {}, user: 'ada' })
    await close()
  })
})
