import { join } from 'node:path'
import { fileStore } from '@sess/store-file'
import { redisStore } from '@sess/store-redis'
import { postgresStore, sqliteStore } from '@sess/store-sql'
import { startPostgres, startRedis } from '@sess/test-fixtures/servers'
import { createClient } from 'redis'
import type { Place } from './leg.ts'

/** Opened stores of four kinds, prepared. Each is named once, so that they can be a way from one to the next. */
export async function openPlaces(
  folder: string,
  kinds: readonly ('sqlite' | 'postgres' | 'redis' | 'file')[],
) {
  const closers: (() => unknown)[] = []
  const open = {
    async sqlite(): Promise<Place> {
      const file = join(folder, `sessions-${closers.length}.db`)
      const store = sqliteStore(file, { synchronous: 'normal' })
      await store.migrate()
      closers.push(() => store.close())
      return { name: 'SQLite', url: `sqlite:${file}`, store }
    },
    async postgres(): Promise<Place> {
      const server = await startPostgres()
      const store = postgresStore(server.url)
      await store.migrate()
      closers.push(async () => {
        await store.close()
        await server.stop()
      })
      return { name: 'PostgreSQL', url: server.url, store }
    },
    async redis(): Promise<Place> {
      const server = await startRedis()
      const client = createClient({ url: server.url })
      await client.connect()
      closers.push(async () => {
        await client.close()
        await server.stop()
      })
      return { name: 'Redis', url: server.url, store: redisStore(client as never) }
    },
    async file(): Promise<Place> {
      const place = join(folder, `sessions-${closers.length}`)
      const store = fileStore(place)
      await store.read('0'.repeat(40))
      closers.push(() => undefined)
      return { name: 'files', url: `file:${place}`, store }
    },
  }
  const places: Place[] = []
  const close = async () => {
    for (const each of closers) await each()
  }
  try {
    for (const kind of kinds) places.push(await open[kind]())
  } catch (error) {
    await close()
    throw error
  }
  return { places, close }
}
