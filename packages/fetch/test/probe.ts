import type { Server } from 'node:http'
import { stopServer } from '@sess/test-fixtures/http.ts'
import { probeSessions, runProbe, type StartProbe } from '@sess/test-fixtures/probe.ts'
import { serve } from 'srvx'
import { probeApp } from './probe-app.ts'

const onLoopback = { hostname: '127.0.0.1', silent: true, gracefulShutdown: false }

/** The probe app served by Node: `STORE=sqlite PORT=3000 node packages/fetch/test/probe.ts`. */
export const start: StartProbe = async (options = {}, port = 0, ways = {}) => {
  const { inner, certificate: tls, trustProxy } = ways
  const fetch = probeApp(await probeSessions(options), inner && (await probeSessions(inner)), ways)
  const server = serve({ fetch, port, ...onLoopback, ...(tls && { tls }), ...(trustProxy && { trustProxy }) })
  await server.ready()
  return {
    url: server.url!.replace(/\/$/, ''),
    stop: () => stopServer(server.node!.server as Server),
    isRequest: request => request instanceof Request,
  }
}

if (import.meta.main) await runProbe(start)
