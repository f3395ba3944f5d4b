// A server process among several: appends to one session through an engine of its own, over a cache and a database that
// all share. argv: URL of Redis, URL of PostgreSQL, cookie, name, how many. Its entries are `<name>-<n>`.
import { createSessions } from '@sess/core'
import { cachedStore } from '../src/index.ts'
import { openPostgres, openRedis } from './backends.ts'

const [redisUrl, postgresUrl, cookie, name, count] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
]
const [redis, postgres] = [await openRedis(redisUrl), await openPostgres(postgresUrl)]
const sessions = createSessions<{ list: string[] }>({
  store: cachedStore({ fast: redis.store(), durable: postgres.store() }),
  timeout: 20_000,
})

async function append(entry: string): Promise<void> {
  const session = sessions.open(cookie)
  await session.load()
  if (!session.has('list')) throw new Error('The session is gone.')
  session.update('list', (list = []) => [...list, entry])
  await sessions.commit(session, { status: 200 })
  // What was just saved is there, whichever of the two stores returns it.
  const reader = sessions.open(cookie)
  await reader.load()
  if (!reader.get('list')?.includes(entry)) throw new Error('An acknowledged entry is not to be seen.')
}

// Four at a time, as requests of one browser overlap.
let next = 0
const worker = async () => {
  while (next < Number(count)) await append(`${name}-${next++}`)
}
await Promise.all(Array.from({ length: 4 }, worker))
await redis.close()
await postgres.close()
