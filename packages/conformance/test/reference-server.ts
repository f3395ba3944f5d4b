import { once } from 'node:events'
import { createServer, IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { ConfigError, createSessions, type SessionsOptions } from '@sess/core'
import type { AdapterOptions, AdapterSetup, ProbeWays, StartInAWay } from '../src/adapter-cases/fixture.ts'
import { memoryStore } from '../src/memory-store.ts'
import { ReferenceAdapter, type Request } from './reference-probe.ts'

/** Starts the reference probe, or a broken one, on a free port. */
export async function startReference(
  options: Partial<SessionsOptions> = {},
  Adapter: typeof ReferenceAdapter = ReferenceAdapter,
  inner?: Partial<SessionsOptions>,
  ways: ProbeWays = {},
): Promise<AdapterSetup> {
  const sessions = createSessions({ store: memoryStore(), ...options })
  const adapter = new Adapter(sessions, inner && createSessions({ store: memoryStore(), ...inner }), ways)
  if (adapter.inner && ways.sameProperty) throw new ConfigError('property', 'two engines have one.')
  const { certificate } = ways
  const listener = (req: IncomingMessage, res: ServerResponse) => {
    if (ways.under !== undefined && !goBelow(req, ways.under)) return void res.writeHead(404).end()
    adapter.handle(req, res).catch(error => res.destroy(error))
  }
  const server = certificate
    ? createTlsServer(certificate, listener)
    : createServer({ shouldUpgradeCallback }, listener)
  server.on('upgrade', (req, socket) => void adapter.upgrade(req, socket).catch(() => socket.destroy()))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `${certificate ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    upgrades: true,
    isRequest: request => request instanceof IncomingMessage,
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** An offer of HTTP/2 is not taken up. */
const shouldUpgradeCallback = ({ headers }: IncomingMessage): boolean => headers.upgrade === 'websocket'

/** Whether a request is for an app that is mounted below a path. Its `url` is the rest then. */
function goBelow(req: Request, under: string): boolean {
  const { url = '' } = req
  if (!url.startsWith(`${under}/`)) return false
  req.originalUrl = url
  req.url = url.slice(under.length)
  return true
}

/** Every way to start the reference probe, or a broken one. */
export function referenceWays(Adapter: typeof ReferenceAdapter = ReferenceAdapter): Required<AdapterOptions> {
  const start: StartInAWay = (options, ways) => startReference(options, Adapter, undefined, ways)
  return {
    startTwoEngines: (outer, inner, ways) => startReference(outer, Adapter, inner, ways),
    https: start,
    proxy: start,
    before: start,
    twice: start,
    under: start,
  }
}
