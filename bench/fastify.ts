import type { RequestListener } from 'node:http'
import { type Data, fastifyApp } from './apps.ts'
import {
  type KeyValues,
  keyValueUsage,
  plainUsage,
  RAW_KEY,
  SECRET,
  type Storage,
  sess,
  sessUsage,
} from './usage.ts'

// `as string`: the types of the peers declare another `request.session`, for the whole program.

type Request = import('fastify').FastifyRequest

export async function sessOnFastify(storage: Storage): Promise<RequestListener> {
  const { session } = await import('@sess/fastify')
  const plugin = session(await sess[storage]())
  return fastifyApp(
    app => app.register(plugin),
    sessUsage(request => request.session),
  )
}

export async function fastifySession(): Promise<RequestListener> {
  const { default: cookie } = await import('@fastify/cookie')
  const { default: session } = await import('@fastify/session' as string)
  return fastifyApp(
    app =>
      app
        .register(cookie)
        .register(session, { secret: SECRET, cookie: { secure: false }, saveUninitialized: false }),
    plainUsage(request => request.session as unknown as Data),
  )
}

export async function secureSession(): Promise<RequestListener> {
  const { default: session } = await import('@fastify/secure-session' as string)
  const of = (request: Request) => request.session as unknown as KeyValues
  return fastifyApp(app => app.register(session, { key: RAW_KEY, cookie: { path: '/' } }), keyValueUsage(of))
}
