import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { binary } from './binaries.ts'
import { asUser, run, type Server, startServer } from './process.ts'

export interface PostgresOptions {
  /** Further settings: `{ deadlock_timeout: '100ms' }`. */
  config?: Record<string, string>
}

/** PostgreSQL with durable commits, 100 connections, and a database `postgres` that user `postgres` owns. */
export function startPostgres(options: PostgresOptions = {}): Promise<Server> {
  const url = (port: number) => `postgres://postgres@127.0.0.1:${port}/postgres`
  const config: Record<string, string> = {
    unix_socket_directories: '',
    listen_addresses: '127.0.0.1',
    // Files below the data folder, so that a killed server leaves nothing in /dev/shm.
    dynamic_shared_memory_type: 'mmap',
    shared_buffers: '32MB',
    fsync: 'on',
    ...options.config,
  }
  return startServer({
    name: 'postgres',
    user: 'postgres',
    // "Fast": open transactions are rolled back, clients are told, data is written.
    stopSignal: 'INT',
    async prepare(dir) {
      if (process.getuid?.() === 0) await run(['chown', 'postgres:', dir])
      await run(
        asUser('postgres', [
          binary('postgres', 'initdb'),
          `--pgdata=${join(dir, 'data')}`,
          '--username=postgres',
          '--auth=trust',
          '--encoding=UTF8',
          '--locale=C',
          '--no-sync',
        ]),
      )
    },
    command: (dir, port) => [
      binary('postgres'),
      '-D',
      join(dir, 'data'),
      '-p',
      String(port),
      ...Object.entries(config).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    isReady: async (dir, _, pid) => (await status(dir)) === `${pid} ready`,
    url,
    env: port => ({ POSTGRES_URL: url(port) }),
  })
}

// As pg_ctl does: line 1 of the pid file is the process (a killed one's file stays), line 8 whether it takes connections.
async function status(dir: string): Promise<string> {
  try {
    const lines = (await readFile(join(dir, 'data/postmaster.pid'), 'utf8')).split('\n')
    return `${lines[0]} ${lines[7]?.trim()}`
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'not started'
    throw error
  }
}
