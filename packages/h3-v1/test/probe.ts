import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { session } from '@sess/h3-v1'
import { stopServer } from '@sess/test-fixtures/http.ts'
import { probeSessions, runProbe, type StartProbe } from '@sess/test-fixtures/probe.ts'
import { createApp, eventHandler, send, setResponseStatus, toNodeListener } from 'h3'
import { probeHandler } from './probe-app.ts'

/** The probe app on h3 1: `STORE=sqlite PORT=3000 node packages/h3-v1/test/probe.ts`. */
export const start: StartProbe = async (options = {}, port = 0, inner) => {
  const sessions = await probeSessions(options)
  const app = createApp({
    async onError(error, event) {
      const mapped = new URL(event.path, 'http://probe').searchParams.get('mapped')
      if (mapped === null) return
      setResponseStatus(event, Number(mapped))
      await send(event, error.message)
    },
  })
  app.use(session(sessions))
  if (inner) app.use(session(await probeSessions(inner), { property: 'inner' }))
  app.use(eventHandler(probeHandler(sessions)))
  const server = createServer(toNodeListener(app)).listen(port, '127.0.0.1')
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, stop: () => stopServer(server) }
}

if (import.meta.main) await runProbe(start)
