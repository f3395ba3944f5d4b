// A process that appends to one list, as a server among several would: read, replace, and again when others were first.
// argv: client ('redis' or 'ioredis'), ports, id, name, how many. Its own entries are `<name>-<n>`.
import { setTimeout as sleep } from 'node:timers/promises'
import { redisStore } from '../src/index.ts'
import { ioredis, ioredisCluster, nodeRedis, nodeRedisCluster } from './clients.ts'

const [, , kind, ports = '', id = '', name, count] = process.argv
const nodes = ports.split(',').map(port => ({ host: '127.0.0.1', port: Number(port) }))
const only = { port: nodes[0]!.port, url: `redis://127.0.0.1:${nodes[0]!.port}` }
const open =
  nodes.length > 1
    ? () => (kind === 'redis' ? nodeRedisCluster({ nodes }) : ioredisCluster({ nodes }))
    : () => (kind === 'redis' ? nodeRedis(only) : ioredis(only))

const { client, close } = await open()
const store = redisStore(client)
let stale = 0
for (let n = 0; n < Number(count); n++) {
  for (;;) {
    const found = await store.read(id)
    if (found === null) throw new Error('The record is gone.')
    const payload = JSON.stringify([...JSON.parse(found.payload), `${name}-${n}`])
    const answer = await store.replace(id, { ...found, payload }, found.version)
    if (answer === 'ok') break
    if (answer === 'gone') throw new Error('The record is gone.')
    stale++
    await sleep(Math.random() * 5)
  }
}
close()
console.log(JSON.stringify({ stale }))
