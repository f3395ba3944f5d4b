import type { CuttableProxy } from '@sess/conformance'
import { createClient } from 'redis'
import type { Server } from './process.ts'
import { redisCommand, until } from './redis.ts'
import { type Trouble, type Troubles, troubleWith } from './trouble.ts'

/** The server needs the setting `enable-debug-command`. */
export async function redisTrouble(server: Server, proxy: CuttableProxy): Promise<Trouble> {
  // Its connection stays when there may be one only.
  const control = createClient({ url: server.url })
  await control.connect()
  const send = (...words: string[]) => control.sendCommand(words)
  const isLoading = async () => {
    try {
      await send('PING')
      return false
    } catch (error) {
      if (/^LOADING/.test((error as Error).message)) return true
      throw error
    }
  }
  const set = (name: string, value: string) => send('CONFIG', 'SET', name, value)

  const troubles: Troubles = {
    async loading() {
      await set('key-load-delay', '5000')
      // From another connection, because it returns only when all is loaded. `end` looks at the server itself.
      redisCommand(server.port, 'DEBUG', 'RELOAD').catch(() => undefined)
      await until('it loads its data', isLoading)
    },
    // A replica whose primary is gone: it returns what it has, and takes no writes.
    'read-only': () => send('REPLICAOF', '127.0.0.1', '1'),
    'out-of-memory': () => set('maxmemory', '1'),
    async 'too-many-connections'() {
      await set('maxclients', '1')
      await send('CLIENT', 'KILL', 'TYPE', 'normal')
    },
  }

  // Seconds of loading, in a database that nobody else uses. Redis looks for commands after every 1,024 bytes.
  await send('SELECT', '1')
  await send('DEBUG', 'POPULATE', '1500', 'ballast', '1024')
  await set('rdbcompression', 'no')
  await set('loading-process-events-interval-bytes', '1024')
  return {
    ...troubleWith(troubles, proxy, async () => {
      await set('key-load-delay', '0')
      await until('it has loaded its data', async () => !(await isLoading()))
      await send('REPLICAOF', 'NO', 'ONE')
      await set('maxmemory', '0')
      await set('maxclients', '10000')
    }),
    close: async () => control.destroy(),
  }
}
