/** What is watched of `new Redis()` of `ioredis`, and of each connection of a `Cluster`. */
interface Connection {
  readonly status: string
  on(event: string, listener: () => void): unknown
}

interface Cluster {
  nodes(role: 'all'): readonly Connection[]
  on(event: string, listener: (node: unknown) => void): unknown
}

/** How many connections that were ready a client has lost. It sends again by itself what was under way on them. */
interface Losses {
  count: number
}

/** For each client once, because many stores may use one. */
const known = new WeakMap<object, Losses>()

export function lossesOf(client: Connection): Losses {
  return watched(client, losses => watch(client, losses))
}

export function lossesOfCluster(client: Cluster): Losses {
  return watched(client, losses => {
    for (const node of client.nodes('all')) watch(node, losses)
    client.on('+node', node => watch(node as Connection, losses))
  })
}

function watched(client: object, watchIt: (losses: Losses) => void): Losses {
  let losses = known.get(client)
  if (losses === undefined) {
    losses = { count: 0 }
    known.set(client, losses)
    watchIt(losses)
  }
  return losses
}

/** A connection that was never ready has had no command of ours, so attempts to connect during an outage do not count. */
function watch(connection: Connection, losses: Losses): void {
  let isReady = connection.status === 'ready'
  connection.on('ready', () => {
    isReady = true
  })
  connection.on('close', () => {
    if (isReady) losses.count++
    isReady = false
  })
}
