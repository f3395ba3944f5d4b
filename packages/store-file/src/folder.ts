import type { Stats } from 'node:fs'
import { lstat, mkdir, open, readdir, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { getSystemErrorMap } from 'node:util'
import { ConfigError } from '@sess/core'

/** Makes what was linked, renamed or unlinked in a folder outlive a power loss. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** A folder that only its owner may look into, from its first instant. Made durably when it is missing. */
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
 * Whether there is a folder. Throws if others may look into it or have made it, or if it is a link: whoever can write
 * there can forge sessions.
 */
export async function checkFolder(path: string): Promise<boolean> {
  const found = await statLink(path)
  if (found === null) return false
  if (!found.isDirectory()) {
    throw new ConfigError('folder', 'holds a link or file in place of a folder of its own.')
  }
  checkOwner(found)
  if ((found.mode & 0o077) !== 0) {
    throw new ConfigError(
      'folder',
      'holds session folders that others may look into: run chmod -R go= on it.',
    )
  }
  return true
}

/**
 * Checks the folder that the user named, and which may be a link, be readable by others, and belong to root. In one that
 * others may write to they could put folders of their own; not so where the sticky bit is set, as on /tmp.
 */
export async function checkRoot(path: string): Promise<void> {
  const found = await stat(path)
  if (found.uid !== 0) checkOwner(found)
  if ((found.mode & 0o022) !== 0 && (found.mode & 0o1000) === 0) {
    throw new ConfigError('folder', 'may be written to by others: run chmod go-w on it.')
  }
}

function checkOwner(found: Stats): void {
  if (isOurs(found)) return
  throw new ConfigError(
    'folder',
    'belongs to another user, or holds folders that do. Run everything that uses it as one user, or give it to that user with chown -R.',
  )
}

/** Whether it belongs to the user of this process. */
export function isOurs({ uid }: Stats): boolean {
  return uid === process.geteuid?.()
}

/** Names of the folders in a folder, links to folders left out; none when there is no such folder. */
export async function listFolders(path: string): Promise<string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true })
    return entries.filter(entry => entry.isDirectory()).map(entry => entry.name)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  }
}

/** Names in a folder; none when there is no such folder. */
export async function listFolder(path: string): Promise<string[]> {
  try {
    return await readdir(path)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  }
}

/** Removes a name. `false`: it was gone already. */
export async function discard(path: string): Promise<boolean> {
  try {
    await unlink(path)
    return true
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false
    throw error
  }
}

/** What a name stands for, links not followed; `null` when it is gone. */
export async function statLink(path: string): Promise<Stats | null> {
  try {
    return await lstat(path)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null
    throw error
  }
}

/** Whether a file was made or marked so many milliseconds ago, by the clock of the machine. */
export async function isOlder(path: string, age: number): Promise<boolean> {
  const found = await statLink(path)
  return found !== null && Date.now() - found.mtimeMs >= age
}

export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? '')
}

/** The same error without its paths, which hold the id: with `hashKeys: false` that is the session key. */
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
