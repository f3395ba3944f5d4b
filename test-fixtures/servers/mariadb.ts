import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { binary } from './binaries.ts'
import { run, type Server, startServer } from './process.ts'

export interface MariadbOptions {
  /** Further settings: `{ 'max-connections': '500' }`. */
  config?: Record<string, string>
}

/** MariaDB with durable commits and a database `sess`; user `root` needs no password. */
export function startMariadb(options: MariadbOptions = {}): Promise<Server> {
  const url = (port: number) => `mysql://root@127.0.0.1:${port}/sess`
  const root = process.getuid?.() === 0
  const config: Record<string, string> = {
    'bind-address': '127.0.0.1',
    'innodb-buffer-pool-size': '64M',
    'innodb-log-file-size': '32M',
    'innodb-flush-log-at-trx-commit': '1',
    'max-connections': '300',
    ...options.config,
  }
  const shared = (dir: string) => [
    '--no-defaults',
    `--datadir=${join(dir, 'data')}`,
    ...(root ? ['--user=mysql'] : []),
    ...Object.entries(config).map(([name, value]) => `--${name}=${value}`),
  ]
  return startServer({
    name: 'mariadb',
    stopSignal: 'TERM',
    async prepare(dir) {
      if (root) await run(['chown', 'mysql:', dir])
      await writeFile(join(dir, 'init.sql'), 'CREATE DATABASE IF NOT EXISTS sess;\n', { mode: 0o644 })
      await run([
        binary('mariadb', 'mariadb-install-db'),
        ...shared(dir),
        '--auth-root-authentication-method=normal',
        '--skip-test-db',
        '--skip-name-resolve',
      ])
    },
    // The server drops root by itself (`--user`). Its socket path is short, for it is relative to the data folder.
    command: (dir, port) => [
      binary('mariadb'),
      ...shared(dir),
      `--port=${port}`,
      '--socket=server.sock',
      '--pid-file=server.pid',
      '--skip-name-resolve',
      `--init-file=${join(dir, 'init.sql')}`,
    ],
    isReady: (_, port) => greets(port),
    url,
    env: port => ({ MYSQL_URL: url(port) }),
  })
}

// The server speaks first, once it takes connections.
function greets(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.setTimeout(2000, () => socket.destroy())
    socket.once('data', greeting => {
      // Byte 4 is the protocol version, or 255 for an error.
      resolve(greeting[4] === 10)
      socket.destroy()
    })
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
  })
}
