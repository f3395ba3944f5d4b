import type { Server } from 'node:http'
import { stopServer } from '@sess/test-fixtures/http.ts'
import { probeSessions, runProbe, type StartProbe } from '@sess/test-fixtures/probe.ts'
import { H3, H3Event, serve } from 'h3'
import { probeApp } from './probe-app.ts'

const onLoopback = { hostname: '127.0.0.1', silent: true, gracefulShutdown: false }

/** The probe app on h3: `STORE=sqlite PORT=3000 node packages/h3/test/probe.ts`. */
export const start: StartProbe = async (options = {}, port = 0, ways = {}) => {
  const { inner, certificate: tls, trustProxy, under } = ways
  const mounted = probeApp(await probeSessions(options), inner && (await probeSessions(inner)), ways)
  const app = under === undefined ? mounted : new H3().mount(under, mounted)
  const server = serve(app, { port, ...onLoopback, ...(tls && { tls }), ...(trustProxy && { trustProxy }) })
  await server.ready()
  return {
    url: server.url!.replace(/\/$/, ''),
    stop: () => stopServer(server.node!.server as Server),
    isRequest: request => request instanceof H3Event,
  }
}

if (import.meta.main) await runProbe(start)
