import type { Session } from '@sess/core'
import { runWithSession } from '@sess/fetch'
import { sessions } from '@sess/test-fixtures/runtime-sessions.ts'
import { probeApp } from '../probe-app.ts'

declare const Bun: object | undefined
declare const Deno:
  | { upgradeWebSocket(request: Request): { socket: WebSocket; response: Response } }
  | undefined
declare const WebSocketPair: new () => Record<0 | 1, WebSocket & { accept(): void }>

interface BunServer {
  upgrade(request: Request): boolean
}

const probe = probeApp(sessions)

/** The probe app, and `/socket`: it sets what the query says, upgrades as the runtime does, and echoes. `/error`: the last error's code. */
export const app = {
  fetch(request: Request, server?: BunServer): unknown {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname === '/error') return new Response(lastError)
    if (pathname !== '/socket') return probe(request)
    const handle = (request: Request, session: Session) => {
      for (const [k, v] of searchParams) session.set(k, v)
      return upgraded(request, server)
    }
    return runWithSession(sessions, request, handle, { onError })
  },
}

let lastError = 'none'
function onError(error: unknown): Response {
  lastError = String((error as { code?: string }).code)
  return new Response(lastError, { status: 500 })
}

function upgraded(request: Request, server: BunServer | undefined): Response | undefined {
  if (typeof Bun !== 'undefined') {
    if (!server?.upgrade(request)) throw new Error('Bun does not upgrade.')
    return undefined
  }
  if (typeof Deno !== 'undefined') {
    const { socket, response } = Deno.upgradeWebSocket(request)
    socket.onmessage = ({ data }) => socket.send(data)
    return response
  }
  const { 0: client, 1: socket } = new WebSocketPair()
  socket.accept()
  socket.addEventListener('message', ({ data }) => socket.send(data))
  return new Response(null, { status: 101, webSocket: client } as ResponseInit)
}
