import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Inspector, inspector } from '@sess/inspector'
import { onExpress } from '@sess/inspector/node'
import { AGE_HINT } from '../age.ts'
import { type Console, note, say, styled } from '../console.ts'
import { type ExitCode, Failure, MISUSED } from '../failure.ts'
import { LocalVisitor } from '../local-visitor.ts'
import { stoppable } from '../stop.ts'
import { engineOf, openTarget, type StoreOptions, type Target } from '../target.ts'

export interface InspectOptions extends StoreOptions {
  port: number
}

const HOST = '127.0.0.1'

/** Shows the sessions of the store in the browser of this machine, until Ctrl-C. */
export async function inspect(console: Console, options: InspectOptions): Promise<ExitCode> {
  const target = await openTarget(options, { cwd: console.cwd() })
  try {
    const visitor = new LocalVisitor()
    const server = createServer()
    server.on(
      'request',
      listenerFor(visitor, pagesOf(target, visitor), () => server.address() as AddressInfo),
    )
    try {
      server.listen(options.port, HOST)
      await once(server, 'listening')
    } catch (error) {
      throw portFailure(options.port, error)
    }
    const { port } = server.address() as AddressInfo
    say(console, `The inspector of ${target.label}. Open it within this machine:`)
    say(console)
    say(
      console,
      `  ${styled(console, 'bold', `http://${HOST}:${port}${visitor.basePath}/?token=${visitor.token}`)}`,
    )
    say(console)
    // Behind `npx` the shell knows another process.
    note(console, `The URL works once. Ctrl-C, or \`kill ${process.pid}\`, ends the inspector.`)
    if (target.age === undefined) note(console, `To see when a session was last seen, give ${AGE_HINT}.`)
    await stoppable(console, async stop => {
      if (!stop.signal.aborted) await once(stop.signal, 'abort')
    })
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
    // To be stopped is how it ends.
    return 0
  } finally {
    await target.close()
  }
}

function pagesOf(target: Target, visitor: LocalVisitor): Inspector {
  return inspector(engineOf(target, 'inspect'), {
    authorize: request => visitor.isKnown(request.headers.get('cookie') ?? ''),
    basePath: visitor.basePath,
    label: target.label,
    live: false,
    lastSeen: target.age !== undefined,
    ...(target.isUnchecked && {
      notice: "Signatures are not checked. Give Django's SECRET_KEY in SESS_SECRET to check them.",
    }),
  })
}

/** Lets in the one visitor alone, and only under the address of this machine. */
function listenerFor(visitor: LocalVisitor, pages: Inspector, address: () => AddressInfo): RequestListener {
  const handle = onExpress(pages)
  return (req, res) => {
    const { port } = address()
    // A page of another site can give its own name this address (DNS rebinding), but then the Host header has that name.
    if (!isOwn(req.headers.host ?? '', port)) {
      return refuse(res, `This address is not known here. Open http://${HOST}:${port}.`)
    }
    const url = URL.parse(req.url ?? '/', `http://${HOST}:${port}`)
    const token = url?.searchParams.get('token') ?? undefined
    if (token === undefined || url?.pathname !== `${visitor.basePath}/`)
      return handle(req, res, () => unknown(res))
    exchange(visitor, token, req, res)
  }
}

/** Whether a `Host` header names this server. On port 80 a browser leaves the port out, as `URL` leaves it out of `host`. */
function isOwn(host: string, port: number): boolean {
  const origins = [HOST, 'localhost'].map(name => `${name}:${port}`)
  return origins.some(own => host === own || host === new URL(`http://${own}`).host)
}

function exchange(visitor: LocalVisitor, token: string, req: IncomingMessage, res: ServerResponse): void {
  const cookie = req.method === 'GET' ? visitor.exchange(token) : undefined
  if (cookie === undefined && !visitor.isKnown(req.headers.cookie ?? '')) {
    refuse(res, 'This URL has been used. End sess inspect with Ctrl-C and start it again for another one.')
    return
  }
  res.writeHead(303, {
    location: `${visitor.basePath}/`,
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    ...(cookie !== undefined && { 'set-cookie': cookie }),
  })
  res.end()
}

function unknown(res: ServerResponse): void {
  refuse(res, 'Open the URL that sess inspect printed.')
}

function refuse(res: ServerResponse, message: string): void {
  res.writeHead(403, {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  })
  res.end(`${message}\n`)
}

function portFailure(port: number, error: unknown): Failure {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') {
    return new Failure(
      MISUSED,
      `--port: something else listens on ${port}. Choose another, or leave --port out.`,
    )
  }
  if (code === 'EACCES' || code === 'ERR_SOCKET_BAD_PORT') {
    return new Failure(MISUSED, `--port: ${port} cannot be used. Give a number from 1024 to 65535.`)
  }
  return new Failure(MISUSED, `--port: the inspector cannot listen on ${port}.`, { cause: error })
}
