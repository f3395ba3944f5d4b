import type { Stats } from 'node:fs'
import { lstat, mkdir, open, readdir, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { getSystemErrorMap } from 'node:util'
import { ConfigError } from '@sess/core'

/** Makes earlier links, renames and removals in a folder survive a power loss. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Creates the folder if it is missing, readable by its owner alone, and makes it survive a power loss. */
export async function ensureFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error
    await checkFolder(path)
    return
  }
  await syncFolder(dirname(path))
}

/**
 * Returns whether the folder exists. Throws if it is a link, belongs to another user, or others may look into it: a user
 * who can write there can forge sessions.
 */
export async function checkFolder(path: string): Promise<boolean> {
  const found = await statLink(path)
  if (found === null) return false
  if (!found.isDirectory()) {
    throw new ConfigError('folder', 'contains a link or a file where a folder must be. Remove it.')
  }
  checkOwner(found)
  if ((found.mode & 0o077) !== 0) {
    throw new ConfigError(
      'folder',
      'contains session folders that others may look into. Run chmod -R go= on it.',
    )
  }
  return true
}

/**
 * Checks the folder that the user named. It may be a link, be readable by others, and belong to root. Others may write to
 * it only if it has the sticky bit, like /tmp: otherwise they could replace our folders.
 */
export async function checkRoot(path: string): Promise<void> {
  const found = await stat(path)
  if (found.uid !== 0) checkOwner(found)
  if ((found.mode & 0o022) !== 0 && (found.mode & 0o1000) === 0) {
    throw new ConfigError('folder', 'may be written to by others. Run chmod go-w on it.')
  }
}

function checkOwner(found: Stats): void {
  if (isOurs(found)) return
  throw new ConfigError(
    'folder',
    'belongs to another user, or contains folders that do. Run everything that uses it as one user, or give it to that user with chown -R.',
  )
}

/** Whether a file belongs to the user of this process. */
export function isOurs({ uid }: Stats): boolean {
  return uid === process.geteuid?.()
}

/** Names of the folders in a folder, without links to folders. Empty if the folder does not exist. */
export async function listFolders(path: string): Promise<string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true })
    return entries.filter(entry => entry.isDirectory()).map(entry => entry.name)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  }
}

/** Names in a folder. Empty if the folder does not exist. */
export async function listFolder(path: string): Promise<string[]> {
  try {
    return await readdir(path)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  }
}

/** Removes a name. Returns `false` if it did not exist. */
export async function discard(path: string): Promise<boolean> {
  try {
    await unlink(path)
    return true
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false
    throw error
  }
}

/** Looks at a name without following links. `null` if it does not exist. */
export async function statLink(path: string): Promise<Stats | null> {
  try {
    return await lstat(path)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null
    throw error
  }
}

/** Whether a file was made or marked at least `age` milliseconds ago, by the clock of the machine. */
export async function isOlder(path: string, age: number): Promise<boolean> {
  const found = await statLink(path)
  return found !== null && Date.now() - found.mtimeMs >= age
}

export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? '')
}

/** The same error without its paths. They contain the id, which is the session key if `hashKeys` is false. */
export function withoutPath(error: unknown): unknown {
  const { path, errno, code, syscall } = (error ?? {}) as NodeJS.ErrnoException
  if (path === undefined || errno === undefined) return error
  const meaning = getSystemErrorMap().get(errno)?.[1] ?? 'unknown error'
  return Object.assign(new Error(`The session folder failed: ${code}, ${meaning} (${syscall}).`), {
    errno,
    code,
    syscall,
  })
}
