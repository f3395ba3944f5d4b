import type { RequestListener } from 'node:http'
import type { Store } from '@sess/core'
import {
  type Data,
  type Exchange,
  expressApp,
  fastifyApp,
  fetchApp,
  h3App,
  honoApp,
  koaApp,
  nodeApp,
} from './apps.ts'
import { fastifySession, secureSession, sessOnFastify } from './fastify.ts'
import { ironSessionOnFetch, sessOnFetch } from './fetch.ts'
import { floor, floorOf } from './floor.ts'
import { honoSession, honoSessions, sessOnHono } from './hono.ts'
import { listOf, plainUsage, RAW_KEY, redisClient, SECRET, type Storage, sess, sessUsage } from './usage.ts'

export const FRAMEWORKS = ['Express', 'Koa', 'h3', 'node:http', 'Fastify', 'Hono', 'fetch'] as const
export type Framework = (typeof FRAMEWORKS)[number]
export type { Storage }

/** A library on a framework, or the bare framework. */
export interface Contestant {
  framework: Framework
  /** Unique on its framework. */
  name: string
  /** `undefined`: no sessions. */
  storage: Storage | undefined
  app(): Promise<RequestListener>
}

async function sessOnExpress(storage: Storage): Promise<RequestListener> {
  const { session } = await import('@sess/express')
  return expressApp(
    session(await sess[storage]()),
    sessUsage(req => req.session),
  )
}

async function sessOnKoa(storage: Storage): Promise<RequestListener> {
  const { session } = await import('@sess/koa')
  const middleware = session(await sess[storage]())
  return koaApp(
    () => middleware,
    sessUsage(ctx => ctx.session),
  )
}

async function sessOnH3(storage: Storage): Promise<RequestListener> {
  const { session } = await import('@sess/h3')
  return h3App(
    session(await sess[storage]()),
    sessUsage(event => event.context.session),
  )
}

async function floorOnExpress(): Promise<RequestListener> {
  return expressApp(floor(), {
    read: req => floorOf(req).get('n'),
    write: req => floorOf(req).set('n', (floorOf(req).get('n') as number) + 1),
    fill(req, data) {
      for (const key in data) floorOf(req).set(key, data[key])
    },
    append(req) {
      floorOf(req).set('list', [...((floorOf(req).get('list') as unknown[]) ?? []), 1])
    },
    count: req => (floorOf(req).get('list') as unknown[]).length,
  })
}

async function expressSession(store?: unknown): Promise<RequestListener> {
  const { default: session } = await import('express-session')
  const middleware = session({ secret: SECRET, resave: false, saveUninitialized: false, store })
  return expressApp(middleware, plainUsage(sessionOfRequest))
}

function sessionOfRequest(at: object): Data {
  return (at as { session: Data }).session
}

/** Sess under express-session's API, so with the same handlers. */
async function facade(storage: Storage): Promise<RequestListener> {
  const { default: session } = await import('@sess/express-session')
  const { store } = await sess[storage]()
  const middleware = session({
    secret: SECRET,
    resave: false,
    saveUninitialized: false,
    store: store as Store,
  })
  return expressApp(middleware, plainUsage(sessionOfRequest))
}

async function connectRedis(): Promise<RequestListener> {
  const { RedisStore } = await import('connect-redis')
  return expressSession(new RedisStore({ client: await redisClient() }))
}

async function cookieSession(): Promise<RequestListener> {
  const { default: session } = await import('cookie-session')
  return expressApp(session({ keys: [SECRET] }), plainUsage(sessionOfRequest))
}

async function koaSession(store?: object): Promise<RequestListener> {
  const { default: session } = await import('koa-session')
  return koaApp(app => {
    app.keys = [SECRET]
    return session({ store }, app)
  }, plainUsage(sessionOfRequest))
}

function mapStore(): object {
  const sessions = new Map<string, string>()
  return {
    async get(key: string) {
      const text = sessions.get(key)
      return text === undefined ? undefined : JSON.parse(text)
    },
    async set(key: string, session: object) {
      sessions.set(key, JSON.stringify(session))
    },
    async destroy(key: string) {
      sessions.delete(key)
    },
  }
}

async function h3Session(password: string | Uint8Array): Promise<RequestListener> {
  const { useSession } = await import('h3')
  const open = (at: Parameters<typeof useSession>[0]) =>
    useSession<Data>(at, { password: password as string })
  return h3App(undefined, {
    async read(at) {
      return (await open(at)).data.n
    },
    async write(at) {
      const session = await open(at)
      await session.update({ n: session.data.n! + 1 })
    },
    async fill(at, data) {
      await (await open(at)).update(data)
    },
    async append(at) {
      const session = await open(at)
      await session.update({ list: [...listOf(session.data), 1] })
    },
    async count(at) {
      return listOf((await open(at)).data).length
    },
  })
}

async function ironSession(): Promise<RequestListener> {
  const { getIronSession } = await import('iron-session')
  const open = ({ req, res }: Exchange) => getIronSession(req, res, { cookieName: 'iron', password: SECRET })
  return nodeApp({
    async read(at) {
      return (await open(at)).n
    },
    async write(at) {
      const session = await open(at)
      session.n++
      await session.save()
    },
    async fill(at, data) {
      const session = await open(at)
      Object.assign(session, data)
      await session.save()
    },
    async append(at) {
      const session = await open(at)
      session.list = [...listOf(session), 1]
      await session.save()
    },
    async count(at) {
      return listOf(await open(at)).length
    },
  })
}

export const BARE = 'bare'

function on(
  framework: Framework,
  bare: () => Promise<RequestListener>,
  others: [name: string, storage: Storage, app: () => Promise<RequestListener>][],
): Contestant[] {
  return [
    { framework, name: BARE, storage: undefined, app: bare },
    ...others.map(([name, storage, app]) => ({ framework, name, storage, app })),
  ]
}

/** Everybody who runs, framework by framework, the bare one first. */
export const contestants: readonly Contestant[] = [
  ...on('Express', () => expressApp(), [
    ['Sess, memory', 'memory', () => sessOnExpress('memory')],
    ["Sess, memory, by express-session's API", 'memory', () => facade('memory')],
    ['express-session, MemoryStore', 'memory', () => expressSession()],
    ['the floor, Map', 'memory', floorOnExpress],
    ['Sess, Redis', 'redis', () => sessOnExpress('redis')],
    ["Sess, Redis, by express-session's API", 'redis', () => facade('redis')],
    ['express-session, connect-redis', 'redis', connectRedis],
    ['Sess, encrypted cookie', 'cookie', () => sessOnExpress('cookie')],
    ['cookie-session', 'cookie', cookieSession],
  ]),
  ...on('Koa', () => koaApp(), [
    ['Sess, memory', 'memory', () => sessOnKoa('memory')],
    ['koa-session, Map', 'memory', () => koaSession(mapStore())],
    ['Sess, encrypted cookie', 'cookie', () => sessOnKoa('cookie')],
    ['koa-session, cookie', 'cookie', () => koaSession()],
  ]),
  ...on('h3', () => h3App(), [
    ['Sess, memory', 'memory', () => sessOnH3('memory')],
    ['Sess, encrypted cookie', 'cookie', () => sessOnH3('cookie')],
    ['useSession, raw key', 'cookie', () => h3Session(RAW_KEY)],
    ['useSession, password', 'cookie', () => h3Session(SECRET)],
  ]),
  ...on('node:http', async () => nodeApp(), [['iron-session', 'cookie', ironSession]]),
  ...on('Fastify', () => fastifyApp(), [
    ['Sess, memory', 'memory', () => sessOnFastify('memory')],
    ['@fastify/session, MemoryStore', 'memory', fastifySession],
    ['Sess, encrypted cookie', 'cookie', () => sessOnFastify('cookie')],
    ['@fastify/secure-session', 'cookie', secureSession],
  ]),
  ...on('Hono', () => honoApp(), [
    ['Sess, memory', 'memory', () => sessOnHono('memory')],
    ['hono-sessions, MemoryStore', 'memory', () => honoSessions('memory')],
    ['@hono/session, Map', 'memory', () => honoSession('memory')],
    ['Sess, encrypted cookie', 'cookie', () => sessOnHono('cookie')],
    ['hono-sessions, CookieStore', 'cookie', () => honoSessions('cookie')],
    ['@hono/session', 'cookie', () => honoSession('cookie')],
  ]),
  ...on('fetch', () => fetchApp(), [
    ['Sess, memory', 'memory', () => sessOnFetch('memory')],
    ['Sess, encrypted cookie', 'cookie', () => sessOnFetch('cookie')],
    ['iron-session', 'cookie', ironSessionOnFetch],
  ]),
]
