/**
 * How a session is changed by several processes without locks (docs/decisions/0010 has the reasoning).
 *
 * A session has three kinds of files. A version is 128 random bits, so none of these names but the first is used twice.
 *
 * - `<id>` is the session: a whole record, or an empty file for a moment after it was removed (a tombstone).
 * - `<id>.<version>.new` is a whole record with that version, on its way to `<id>`. An empty one removes the session.
 * - `<id>.<version>.next` is a claim: a symbolic link whose text is the version that follows that one.
 *
 * To create a session: write the new file, then link it to `<id>`, which fails if the name is taken.
 *
 * To change or remove a session whose version is V:
 *
 * 1. write `<id>.<W>.new`, with a new version W;
 * 2. make the claim `<id>.<V>.next` -> W. Only one writer can;
 * 3. make sure that V is still what `<id>` holds;
 * 4. rename `<id>.<W>.new` to `<id>`;
 * 5. remove the claim. A removal also removes the tombstone that is now at `<id>`.
 *
 * If a writer dies between 2 and 4, the next writer that finds its claim while V still stands completes it. If the new file
 * is gone by then, another writer has completed it. The new file's name is never used again, so a late second rename
 * finds nothing.
 */
import { randomBytes } from 'node:crypto'
import { constants, type FileHandle, link, lstat, open, readlink, rename, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { SessionRecord, StoredRecord } from '@sess/core'
import { discard, hasCode, isOlder, isOurs, statLink, syncFolder } from './folder.ts'
import { MAX_FILE_BYTES, parseRecord, serializeRecord } from './record-file.ts'

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants

/** Milliseconds after which a claim counts as void if its new file is missing. */
const VOID_AFTER = 10_000
/**
 * Milliseconds after which a missing new file proves nothing. Until then another process must have completed the claim. Later a
 * clean-up may have removed the file.
 */
const TRUST_FOR = 30_000

/** A record that was found. Its file stays open, so that no other file gets its inode meanwhile. */
export interface Found {
  record: StoredRecord
  dev: number
  ino: number
  close(): Promise<void>
}

/** One session's files in a folder. The protocol is at the top of this file. */
export class SessionFile {
  readonly #id: string
  readonly #folder: string
  readonly #path: string

  constructor(folder: string, id: string) {
    this.#id = id
    this.#folder = folder
    this.#path = join(folder, id)
  }

  /** Reads the record, expired or not. `null` if there is none. Links and special files are not followed. */
  async read(): Promise<StoredRecord | null> {
    const found = await this.find()
    await found?.close()
    return found?.record ?? null
  }

  /** Like `read`, but keeps the file open for a change. */
  async find(): Promise<Found | null> {
    let file: FileHandle
    try {
      // Without O_NONBLOCK, opening a FIFO would never return.
      file = await open(this.#path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    } catch (error) {
      // ELOOP: a symbolic link. ENXIO: a socket.
      if (hasCode(error, 'ELOOP', 'ENXIO')) return null
      if (!hasCode(error, 'ENOENT')) throw error
      // No session. Throws if the folder of all sessions is missing, because an outage must not look like that.
      await lstat(dirname(this.#folder))
      return null
    }
    let record: StoredRecord | null = null
    try {
      const { dev, ino, nlink, size } = await this.#stat(file)
      if (size > 0) record = parseRecord(this.#id, await readAll(file, size))
      if (record && nlink > 1 && !(await this.#isOwnLink(file, ino, record.version))) record = null
      if (record) return { record, dev, ino, close: () => file.close() }
    } finally {
      if (!record) await file.close()
    }
    return null
  }

  /** Writes the first record of the session. Returns `false` if the name is taken, even by a tombstone. */
  async create(record: SessionRecord): Promise<boolean> {
    const version = newVersion()
    const fresh = this.#fresh(version)
    await this.#write(fresh, serializeRecord(this.#id, version, record))
    try {
      await link(fresh, this.#path)
      return true
    } catch (error) {
      if (hasCode(error, 'EEXIST')) return false
      throw error
    } finally {
      await discard(fresh)
    }
  }

  /** Replaces what was found by a record, or by a tombstone (`null`). Returns `false` if another change came first. */
  async change(found: Found, record: SessionRecord | null): Promise<boolean> {
    const started = performance.now()
    const version = newVersion()
    const fresh = this.#fresh(version)
    const claim = this.#claim(found.record.version)
    await this.#write(fresh, record && serializeRecord(this.#id, version, record))
    try {
      await symlink(version, claim)
    } catch (error) {
      await discard(fresh)
      if (!hasCode(error, 'EEXIST')) throw error
      await this.finish(found)
      return false
    }
    // The check must come after the claim. A claim made while its version stands is the only one that ever is: a claim is
    // removed after its version is gone, and versions do not come back.
    const stands = await this.#stands(found)
    const hadOurFile = stands ? await this.#install(fresh) : await discard(fresh)
    if (hadOurFile) {
      await discard(claim)
      return stands
    }
    // Our new file is gone: another process has completed our claim, so the change is made. But a clean-up may have removed
    // the file instead, if this process was stopped for long.
    if (performance.now() - started > TRUST_FOR) {
      throw new Error(
        'The session folder was too slow. It is not known whether the session was saved. Try again.',
      )
    }
    await discard(claim)
    return true
  }

  /** Completes the claim of another writer on what was found, if there is one. */
  async finish(found: Found): Promise<void> {
    const claim = this.#claim(found.record.version)
    const next = await readClaim(claim)
    // In this order: only a claim that was read before its version was seen to stand is valid.
    if (next === null || !(await this.#stands(found))) return
    if (await this.#install(this.#fresh(next))) {
      await discard(claim)
      return
    }
    // The new file is missing and yet the version stands: a power loss or a clean-up removed the file, but not the claim.
    if (
      (await isOlder(claim, VOID_AFTER)) &&
      (await this.#stands(found)) &&
      (await readClaim(claim)) === next
    ) {
      await discard(claim)
    }
  }

  /** Frees the name after `change(found, null)` returned true. */
  async removeTombstone(): Promise<void> {
    await discard(this.#path)
  }

  /** Removes a tombstone that is at least `age` milliseconds old, because its writer must have died. */
  async removeOldTombstone(age: number): Promise<void> {
    const tombstone = await statLink(this.#path)
    if (tombstone?.isFile() && tombstone.size === 0 && Date.now() - tombstone.mtimeMs >= age)
      await this.removeTombstone()
  }

  /** Makes the change survive a power loss. */
  async sync(): Promise<void> {
    await syncFolder(this.#folder)
  }

  #fresh(version: string): string {
    return `${this.#path}.${version}.new`
  }

  #claim(version: string): string {
    return `${this.#path}.${version}.next`
  }

  // A tombstone is empty and takes no data block, so a logout works on a full disk. It needs no fsync: after a power loss
  // it is either there and empty, or not there.
  async #write(path: string, bytes: Buffer | null): Promise<void> {
    const file = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
    try {
      if (bytes) {
        await file.writeFile(bytes)
        await file.sync()
      }
      await file.close()
    } catch (error) {
      await file.close()
      await discard(path)
      throw error
    }
  }

  async #install(fresh: string): Promise<boolean> {
    try {
      await rename(fresh, this.#path)
      return true
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return false
      throw error
    }
  }

  async #stands({ dev, ino }: Found): Promise<boolean> {
    const now = await statLink(this.#path)
    return now?.ino === ino && now.dev === dev
  }

  /** Returns `size: 0` for anything that is no session file. */
  async #stat(file: FileHandle): Promise<{ dev: number; ino: number; nlink: number; size: number }> {
    const stat = await file.stat()
    const { dev, ino, nlink } = stat
    const isSafe = isOurs(stat) && (stat.mode & 0o022) === 0
    const isSession = stat.isFile() && isSafe && nlink <= 2 && stat.size <= MAX_FILE_BYTES
    return { dev, ino, nlink, size: isSession ? stat.size : 0 }
  }

  // During `create` the session has a second name, which is known. Any other hard link was made by somebody else.
  async #isOwnLink(file: FileHandle, ino: number, version: string): Promise<boolean> {
    if ((await statLink(this.#fresh(version)))?.ino === ino) return true
    return (await file.stat()).nlink <= 1
  }
}

async function readAll(file: FileHandle, size: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(size)
  let length = 0
  while (length < size) {
    const { bytesRead } = await file.read(bytes, length, size - length, length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return bytes.subarray(0, length)
}

async function readClaim(path: string): Promise<string | null> {
  try {
    const version = await readlink(path)
    return /^[0-9a-f]{32}$/.test(version) ? version : null
  } catch (error) {
    // Gone, or no link.
    if (hasCode(error, 'ENOENT', 'EINVAL')) return null
    throw error
  }
}

function newVersion(): string {
  return randomBytes(16).toString('hex')
}
