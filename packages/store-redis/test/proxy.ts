import { connect, createServer, type Socket } from 'node:net'

/** A proxy that loses replies: the server gets and executes a command, then the connection breaks. */
export interface Proxy {
  url: string
  port: number
  /**
   * Once a chunk with `text` was passed on, the answer to it is thrown away and the connection with it; `before` is
   * waited for until the client may connect again. Resolves when that is done.
   */
  loseAnswerTo(text: string, before?: () => Promise<unknown>): Promise<void>
  /** Leads connections that are made from now on to another server, as a host name does after a failover. */
  leadTo(port: number): void
  [Symbol.asyncDispose](): Promise<void>
}

export async function startProxy(target: number): Promise<Proxy> {
  const open = new Set<Socket>()
  let trap: { text: string; before: () => Promise<unknown>; done: () => void } | undefined
  let leadsTo = target
  let shut: Promise<unknown> = Promise.resolve()

  const server = createServer(async client => {
    open.add(client)
    client.on('error', () => client.destroy())
    await shut
    const upstream = connect({ host: '127.0.0.1', port: leadsTo })
    open.add(upstream)
    let caught: typeof trap
    client.on('data', chunk => {
      if (trap && chunk.includes(trap.text)) {
        caught = trap
        trap = undefined
      }
      upstream.write(chunk)
    })
    upstream.on('data', chunk => {
      if (!caught) return client.write(chunk)
      shut = caught.before().then(caught.done)
      return client.destroy()
    })
    upstream.on('error', () => client.destroy())
    upstream.on('close', () => client.destroy())
    client.on('close', () => upstream.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The proxy has no port.')

  return {
    url: `redis://127.0.0.1:${address.port}`,
    port: address.port,
    loseAnswerTo: (text, before = async () => undefined) =>
      new Promise(done => {
        trap = { text, before, done }
      }),
    leadTo(port) {
      leadsTo = port
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
