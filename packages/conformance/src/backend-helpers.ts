import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { MaybePromise } from '@sess/core'

/**
 * A TCP port of 127.0.0.1 that nobody listens on just now.
 *
 * @example
 * const port = await freePort()
 */
export async function freePort(): Promise<number> {
  const server = createServer()
  const port = await listening(server)
  await closed(server)
  return port
}

/** A server that runs for the tests. */
export interface StartedServer {
  port: number
  /** The number of its process, for SIGSTOP and SIGCONT. */
  pid: number
  stop(): Promise<void>
}

/**
 * Starts a server as a process, and waits until something listens on the port.
 *
 * @param args the arguments, or what makes them of the port
 * @param options `port`: a free one unless given; `patience`: milliseconds to wait, 10,000 unless given
 * @throws Error with what the server wrote, if it ends or nothing listens in time
 * @example
 * const { port, stop } = await startServer('memcached', port => ['-l', '127.0.0.1', '-p', String(port), '-u', 'nobody'])
 */
export async function startServer(
  command: string,
  args: readonly string[] | ((port: number) => readonly string[]),
  { port, patience = 10_000 }: { port?: number; patience?: number } = {},
): Promise<StartedServer> {
  const at = port ?? (await freePort())
  const child = spawn(command, typeof args === 'function' ? args(at) : args, {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', text => void (said += text))
  let failure: string | undefined
  child.once('error', error => void (failure = error.message))
  child.once('exit', (code, signal) => void (failure ??= `it ended (${code ?? signal})`))
  const until = performance.now() + patience
  while (!(await answers(at))) {
    if (failure === undefined && performance.now() > until)
      failure = `nothing listens on ${at} after ${patience} ms`
    if (failure !== undefined) {
      child.kill()
      throw new Error(`cannot start ${command}: ${failure}\n${said.slice(-2_000)}`)
    }
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  return { port: at, pid: child.pid as number, stop: () => ended(child) }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill()
  await exit
}

/** Whether somebody accepts connections there. */
async function answers(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** A proxy before a server, which can be cut or frozen: for what a factory offers besides the store. */
export interface CuttableProxy {
  /** Connect the store here instead of to the server. */
  port: number
  /** Ends all connections and accepts none until `mend()`. The server keeps its data. */
  cut(): void
  mend(): void
  /** From now on nothing passes, and connections stay open: for `freezeBackend`. New ones are accepted, and wait. */
  freeze(): void
  /** What was sent meanwhile passes: for `thawBackend`. */
  thaw(): void
  /**
   * The next piece that a client sends reaches the server. Its connection ends before the reply. With `nth` it is the second
   * piece from now on, or the third.
   */
  loseAnswer(nth?: number): void
  /**
   * Before the `nth` piece that clients send from now on, `run` is called, and pieces wait until it has ended: for `fail` with
   * `after`. `mend()` calls it off.
   */
  beforePiece(nth: number, run: () => MaybePromise<void>): void
  close(): Promise<void>
}

/**
 * Puts a TCP proxy before a server: an outage is then a cut, not a restart that loses what is in memory.
 *
 * @param port the server's
 * @example
 * const proxy = await cuttable(6379)
 * return {
 *   store: myStore(connectTo(proxy.port)),
 *   breakBackend: proxy.cut, healBackend: proxy.mend,
 *   freezeBackend: proxy.freeze, thawBackend: proxy.thaw,
 *   loseAnswer: proxy.loseAnswer,
 * }
 */
export async function cuttable(port: number, host = '127.0.0.1'): Promise<CuttableProxy> {
  const pairs = new Set<[Socket, Socket]>()
  let isCut = false
  let isFrozen = false
  /** Pieces until the one whose reply is lost. 0: none is. */
  let losing = 0
  /** What is called before a piece passes, and how many pieces are left until then. */
  let next: { pieces: number; run(): MaybePromise<void> } | undefined
  /** Pieces wait for it. */
  let running: Promise<void> | undefined
  const server = createServer(client => {
    if (isCut) return void client.destroy()
    const upstream = connect({ port, host })
    const pair: [Socket, Socket] = [client, upstream]
    pairs.add(pair)
    let lost = false
    const end = () => {
      client.destroy()
      upstream.destroy()
      pairs.delete(pair)
    }
    for (const socket of pair) socket.on('error', end).on('close', end)
    const pass = (piece: Buffer) => {
      if (losing > 0 && --losing === 0) lost = true
      upstream.write(piece)
    }
    client.on('data', piece => {
      if (next && --next.pieces === 0) {
        running = Promise.resolve(next.run()).finally(() => void (running = undefined))
        next = undefined
      }
      if (running) void running.then(() => pass(piece))
      else pass(piece)
    })
    upstream.on('data', piece => {
      if (lost) end()
      else client.write(piece)
    })
    if (isFrozen) for (const socket of pair) socket.pause()
  })
  const own = await listening(server)
  const cutAll = () => {
    for (const [client, upstream] of pairs) {
      client.destroy()
      upstream.destroy()
    }
    pairs.clear()
  }
  return {
    port: own,
    cut() {
      isCut = true
      cutAll()
    },
    mend() {
      isCut = false
      losing = 0
      next = undefined
    },
    freeze() {
      isFrozen = true
      for (const pair of pairs) for (const socket of pair) socket.pause()
    },
    thaw() {
      isFrozen = false
      for (const pair of pairs) for (const socket of pair) socket.resume()
    },
    loseAnswer(nth = 1) {
      losing = nth
    },
    beforePiece(nth, run) {
      next = { pieces: nth, run }
    },
    async close() {
      cutAll()
      await closed(server)
    },
  }
}

/** Which calls of a breakable client fail. */
export interface BreakOptions {
  /** How many of these calls work before they fail; 0 unless given. */
  after?: number | undefined
  /** Whether this call fails. By default all do. A backend that is read-only fails those that write. */
  only?: ((method: string, args: readonly unknown[]) => boolean) | undefined
}

/** A client whose every method can be made to fail. */
export interface Breakable<Client extends object> {
  client: Client
  /** From now on each method throws this error, or those that the options choose. */
  fail(error?: Error, options?: BreakOptions): void
  heal(): void
}

/**
 * Wraps a client that has no connection to cut (SQLite, an SDK over HTTP): for `breakBackend`, `fail` and `healBackend`.
 * A method that returns a promise rejects, any other throws.
 *
 * @example
 * const { client, fail, heal } = breakable(new DynamoDBClient({}))
 * return { store: myStore(client), breakBackend: () => fail(), healBackend: heal, fail: (kind, { after }) => fail(new Error(kind), { after }) }
 */
export function breakable<Client extends object>(given: Client): Breakable<Client> {
  let failure: (BreakOptions & { error: Error; after: number }) | undefined
  /** The error of this call, which counts. */
  const errorOf = (method: string, args: readonly unknown[]): Error | undefined => {
    if (failure === undefined || failure.only?.(method, args) === false) return undefined
    return failure.after-- > 0 ? undefined : failure.error
  }
  const client = new Proxy(given, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        const error = errorOf(String(name), args)
        if (error === undefined) return value.apply(target, args)
        if (value.constructor.name === 'AsyncFunction') return Promise.reject(error)
        throw error
      }
    },
  })
  return {
    client,
    fail(error = new Error('connect ECONNREFUSED'), { after = 0, only } = {}) {
      failure = { error, after, only }
    },
    heal() {
      failure = undefined
    },
  }
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string')
    throw new Error('the port of a TCP server is not known')
  return address.port
}

async function closed(server: Server): Promise<void> {
  server.close()
  await once(server, 'close')
}
