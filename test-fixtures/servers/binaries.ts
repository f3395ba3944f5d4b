import { accessSync, constants, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'

export type ServerKind = 'redis' | 'postgres' | 'mariadb' | 'memcached' | 'nginx'

const KINDS: Record<ServerKind, { binary: string; install: string }> = {
  redis: { binary: 'redis-server', install: 'sudo apt-get install -y redis-server' },
  postgres: { binary: 'postgres', install: 'sudo apt-get install -y postgresql' },
  mariadb: { binary: 'mariadbd', install: 'sudo apt-get install -y mariadb-server' },
  memcached: { binary: 'memcached', install: 'sudo apt-get install -y memcached' },
  nginx: { binary: 'nginx', install: 'sudo apt-get install -y nginx-light' },
}

/**
 * The gate of tests that need a server: `describe.skipIf(!requireServer('redis'))(…)`. Answers false and says on
 * stderr what to install when the server is missing; throws instead when `SESS_REQUIRE_SERVERS=1` (CI).
 */
export function requireServer(kind: ServerKind): boolean {
  if (hasServer(kind)) return true
  const problem = missing(kind)
  if (process.env['SESS_REQUIRE_SERVERS'] === '1') throw new Error(problem)
  console.warn(`TESTS SKIPPED. ${problem}`)
  return false
}

/** Whether the server is installed, without a word. */
export function hasServer(kind: ServerKind): boolean {
  return search(KINDS[kind].binary) !== undefined
}

/** The path of a server's program, or of one that comes with it (`initdb`). */
export function binary(kind: ServerKind, name = KINDS[kind].binary): string {
  const found = search(name)
  if (found === undefined) throw new Error(missing(kind))
  return found
}

function missing(kind: ServerKind): string {
  return `${KINDS[kind].binary} is not installed. Install it: ${KINDS[kind].install}`
}

function search(name: string): string | undefined {
  const folders = [
    ...(process.env['PATH'] ?? '').split(delimiter),
    '/usr/sbin',
    '/usr/local/sbin',
    ...postgresFolders(),
  ]
  return folders.map(folder => join(folder, name)).find(isExecutable)
}

// Debian keeps PostgreSQL's server programs out of PATH, one folder a version.
function postgresFolders(): string[] {
  const base = '/usr/lib/postgresql'
  let versions: string[]
  try {
    versions = readdirSync(base)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  return versions.sort((a, b) => Number(b) - Number(a)).map(version => join(base, version, 'bin'))
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
