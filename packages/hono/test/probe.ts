import { once } from 'node:events'
import type { Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { stopServer } from '@sess/test-fixtures/http.ts'
import { probeSessions, runProbe, type StartProbe } from '@sess/test-fixtures/probe.ts'
import { type Context, Hono } from 'hono'
import { probeApp } from './probe-app.ts'

/** The probe app served by Node: `STORE=sqlite PORT=3000 node packages/hono/test/probe.ts`. */
export const start: StartProbe = async (options = {}, port = 0, ways = {}) => {
  const { inner, certificate, under } = ways
  const app = probeApp(await probeSessions(options), inner && (await probeSessions(inner)), ways)
  const { fetch } = under === undefined ? app : new Hono().route(under, app)
  const overTls = certificate && { createServer: createTlsServer, serverOptions: certificate }
  const server = serve({ fetch, port, hostname: '127.0.0.1', ...overTls }) as Server
  await once(server, 'listening')
  return {
    url: `${certificate ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () => stopServer(server),
    isRequest: request => (request as Partial<Context>).req !== undefined,
  }
}

if (import.meta.main) await runProbe(start)
