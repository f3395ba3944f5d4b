import { once } from 'node:events'
import { type HttpResponse, request } from '@sess/test-fixtures/http.ts'
import { WebSocket } from 'ws'

export function post(url: string, path: string, cookie?: string): Promise<HttpResponse> {
  return request(url + path, { method: 'POST', cookie })
}

function connect(url: string, headers: Record<string, string>): WebSocket {
  return new WebSocket(`${url.replace('http', 'ws')}/socket`, { headers })
}

export async function opened(url: string, cookie: string): Promise<WebSocket> {
  const socket = connect(url, { cookie })
  await once(socket, 'open')
  return socket
}

/** The status of an upgrade that was rejected. */
export async function rejectedWith(url: string, headers: Record<string, string>): Promise<number> {
  const socket = connect(url, headers)
  socket.on('error', () => undefined)
  const [, response] = await once(socket, 'unexpected-response')
  response.resume()
  return response.statusCode
}

/** Sends a text. Resolves when the server has saved it. */
export async function saved(socket: WebSocket, text: string): Promise<void> {
  const answered = once(socket, 'message')
  socket.send(text)
  const [data] = await answered
  if (String(data) !== 'saved') throw new Error(`The socket got ${data}.`)
}

/** The code with which the server closes the socket. */
export async function closeOf(socket: WebSocket): Promise<number> {
  const [code] = await once(socket, 'close')
  return code
}
