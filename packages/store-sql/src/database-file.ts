import { closeSync, lstatSync, openSync, type Stats, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { ConfigError } from '@sess/core'

/** The suffixes of the files in which SQLite keeps a database. */
const SUFFIXES = ['', '-wal', '-shm', '-journal']

/**
 * The path that SQLite opens for a name or a `file:` URI (https://sqlite.org/uri.html), and whether it may create the
 * file. `undefined` for a database in memory.
 *
 * @throws ConfigError for a malformed URI
 */
function parseName(name: string): { path: string; mayCreate: boolean } | undefined {
  if (!name.startsWith('file:')) return name === ':memory:' ? undefined : { path: name, mayCreate: true }
  const [address = '', query = ''] = name
    .slice('file:'.length)
    .split('#', 1)[0]!
    .split(/\?(.*)/s)
  const options = new URLSearchParams(query)
  const mode = options.get('mode')
  const encoded = address.replace(/^\/\/[^/]*/, '')
  if (['', ':memory:'].includes(encoded) || mode === 'memory' || options.get('vfs') === 'memdb')
    return undefined
  let path: string
  try {
    path = decodeURIComponent(encoded)
  } catch {
    throw new ConfigError('database', 'is a file: URI with a malformed escape. Write %25 for a percent sign.')
  }
  // SQLite reads only up to the NUL, and would open another file than the one that is checked.
  if (path.includes('\0')) throw new ConfigError('database', 'is a file: URI that contains %00. Remove it.')
  return { path, mayCreate: mode === null || mode === 'rwc' }
}

/**
 * Creates the file of a database if it is missing, readable by its owner alone. SQLite would make it readable by everybody.
 * It gives `-wal`, `-shm` and `-journal` the mode of the database [C24].
 *
 * @throws ConfigError if others can read or write the database, because they could forge sessions; the system's own error if
 *   the file cannot be created
 */
export function preparePrivateFile(name: string): void {
  const parsed = parseName(name)
  if (parsed === undefined) return
  const path = resolve(parsed.path)
  checkFolder(dirname(path))
  if (parsed.mayCreate) create(path)
  for (const suffix of SUFFIXES) checkFile(path, suffix)
}

function create(path: string): void {
  try {
    // Never opens an existing file: closing it would drop the locks that this process has on it (POSIX).
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

function checkFile(path: string, suffix: string): void {
  const found = lstatSync(path + suffix, { throwIfNoEntry: false })
  // SQLite itself reports a missing file and a folder.
  if (found === undefined || found.isDirectory()) return
  if (!found.isFile()) {
    throw new ConfigError(
      'database',
      `${path}${suffix} is a link or a special file. Name the database itself.`,
    )
  }
  if (!isPosix()) return
  if (!isOurs(found)) {
    throw new ConfigError(
      'database',
      `${path}${suffix} belongs to another user. Run everything that uses it as one user, or chown it to that user.`,
    )
  }
  if ((found.mode & 0o077) !== 0) {
    throw new ConfigError(
      'database',
      `others may read or write ${path}${suffix}. Run \`chmod go= ${path}*\`. To share it on purpose, open it yourself and pass the database.`,
    )
  }
}

/** If everybody may write to a folder, others could replace our file, unless the folder has the sticky bit, like /tmp. */
function checkFolder(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined || !isPosix()) return
  if ((found.mode & 0o002) !== 0 && (found.mode & 0o1000) === 0) {
    throw new ConfigError('database', `everybody may create files in ${path}. Run \`chmod o-w ${path}\`.`)
  }
}

/** On other systems file modes mean nothing. */
function isPosix(): boolean {
  return process.geteuid !== undefined
}

function isOurs({ uid }: Stats): boolean {
  return uid === process.geteuid?.()
}
