import { IncomingMessage, type RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Writable } from 'node:stream'

/** The response to an injected request. */
export interface Injected {
  status: number
  /** `name=value` pairs as a browser would send them back, or undefined when no cookie was set. */
  cookie: string | undefined
  body: string
}

/** Takes bytes and drops them. It has what `ServerResponse` asks of a socket. */
class Sink extends Writable {
  remoteAddress = '127.0.0.1'
  encrypted = false
  chunks: Buffer[] | undefined

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.chunks?.push(chunk)
    done()
  }

  setTimeout(): this {
    return this
  }
}

/**
 * Sends one request to a listener without a socket. The request and the response are Node's own classes, so that
 * everything above the socket runs as in production. Calls `done` when the response has ended.
 */
export function send(
  listener: RequestListener,
  url: string,
  cookie: string | undefined,
  done: () => void,
): void {
  exchange(listener, url, cookie, new Sink() as unknown as Socket, done)
}

/** Like `send`, but keeps what was answered. Not for measuring. */
export function inject(listener: RequestListener, url: string, cookie?: string): Promise<Injected> {
  return new Promise(resolve => {
    const sink = new Sink()
    sink.chunks = []
    const res = exchange(listener, url, cookie, sink as unknown as Socket, () => {
      const text = Buffer.concat(sink.chunks!).toString()
      const end = text.indexOf('\r\n\r\n')
      // Not from `getHeader`, which does not know what was given to `writeHead`.
      const lines = [...text.slice(0, end).matchAll(/^set-cookie: (.*)$/gim)].map(([, line]) => line!)
      resolve({
        status: res.statusCode,
        cookie: cookieHeader(lines),
        body: text.slice(end + 4),
      })
    })
  })
}

/** What a browser sends back: of the cookies with one name, the last one. */
export function cookieHeader(setCookies: readonly string[]): string | undefined {
  const pairs = new Map(setCookies.map(line => [line.slice(0, line.indexOf('=')), line.split(';')[0]!]))
  return pairs.size > 0 ? [...pairs.values()].join('; ') : undefined
}

function exchange(
  listener: RequestListener,
  url: string,
  cookie: string | undefined,
  socket: Socket,
  done: () => void,
): ServerResponse {
  const req = new IncomingMessage(socket)
  req.method = 'GET'
  req.url = url
  req.httpVersionMajor = 1
  req.httpVersionMinor = 1
  req.headers = cookie === undefined ? { host: 'localhost' } : { host: 'localhost', cookie }
  // Servers for `fetch` read these.
  req.rawHeaders = Object.entries(req.headers).flat() as string[]
  req.push(null)
  const res = new ServerResponse(req)
  res.assignSocket(socket)
  res.on('finish', () => {
    res.detachSocket(socket)
    done()
  })
  listener(req, res)
  return res
}
