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
 * A writer that dies between 2 and 4 holds up nobody: whoever meets its claim while V still stands carries it out. If the
 * new file is gone by then, somebody else has done so. So no rename is done twice, however late it comes.
 */
import { randomBytes } from 'node:crypto'
import { constants, type FileHandle, link, lstat, open, readlink, rename, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { SessionRecord, StoredRecord } from '@sess/core'
import { discard, hasCode, isOlder, isOurs, statLink, syncFolder } from './folder.ts'
import { MAX_FILE_BYTES, parseRecord, serializeRecord } from './record-file.ts'

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants

/** Milliseconds after which a claim whose file is missing counts as void. */
const VOID_AFTER = 10_000
/** Milliseconds after which a writer no longer trusts that its missing file was put in place, not cleaned up. */
const TRUST_FOR = 30_000

/** What was found under a session's name, held open so that its inode is not given to another file meanwhile. */
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

  /** The record, expired or not. `null` when there is none, or something else in its place, which is not followed. */
  async read(): Promise<StoredRecord | null> {
    const found = await this.find()
    await found?.close()
    return found?.record ?? null
  }

  /** As `read`, for a change to come. */
  async find(): Promise<Found | null> {
    let file: FileHandle
    try {
      // Without O_NONBLOCK a FIFO in its place would keep us for ever.
      file = await open(this.#path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    } catch (error) {
      // A symbolic link, a socket.
      if (hasCode(error, 'ELOOP', 'ENXIO')) return null
      if (!hasCode(error, 'ENOENT')) throw error
      // Nothing. But an outage must not look like that: throws if the folder of all sessions is missing.
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

  /** Gives the session its first record. `false`: the name is taken, be it by a tombstone. */
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

  /** Replaces what was found by a record, or by a tombstone. `false`: another change of what was found came first. */
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
    // The check comes after the claim: a claim that was made while the version stood is the only one there ever was,
    // for claims go after the version has gone, and it does not come back.
    const stands = await this.#stands(found)
    const mine = stands ? await this.#install(fresh) : await discard(fresh)
    // Somebody else carried out our claim, or cleaned up while we were stopped.
    if (!mine && performance.now() - started > TRUST_FOR) {
      throw new Error('The session folder was too slow: whether the session was saved is not known.')
    }
    await discard(claim)
    return stands || !mine
  }

  /** Carries out the claim on what was found, if there is one. */
  async finish(found: Found): Promise<void> {
    const claim = this.#claim(found.record.version)
    const next = await readClaim(claim)
    // In this order: a claim seen before its version is seen to stand is the one that counts.
    if (next === null || !(await this.#stands(found))) return
    if (await this.#install(this.#fresh(next))) {
      await discard(claim)
      return
    }
    // No file to put in place, and yet the version stands: a power loss or clean-up took the file, not the claim.
    if (
      (await isOlder(claim, VOID_AFTER)) &&
      (await this.#stands(found)) &&
      (await readClaim(claim)) === next
    ) {
      await discard(claim)
    }
  }

  /** Removes the tombstone after `change(found, null)` returned true, so that the name is free. */
  async removeTombstone(): Promise<void> {
    await discard(this.#path)
  }

  /** Removes a tombstone that is `age` milliseconds old: the writer that left it has died. */
  async removeOldTombstone(age: number): Promise<void> {
    const tombstone = await statLink(this.#path)
    if (tombstone?.isFile() && tombstone.size === 0 && Date.now() - tombstone.mtimeMs >= age)
      await this.removeTombstone()
  }

  /** Makes the change outlive a power loss. */
  async sync(): Promise<void> {
    await syncFolder(this.#folder)
  }

  #fresh(version: string): string {
    return `${this.#path}.${version}.new`
  }

  #claim(version: string): string {
    return `${this.#path}.${version}.next`
  }

  // A tombstone takes no data block, so that a logout works on a full disk. It needs no fsync either: after a power loss
  // it is there, and empty, or it is not there.
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

  /** `size: 0` stands for all that is no session file. */
  async #stat(file: FileHandle): Promise<{ dev: number; ino: number; nlink: number; size: number }> {
    const stat = await file.stat()
    const { dev, ino, nlink } = stat
    const isSafe = isOurs(stat) && (stat.mode & 0o022) === 0
    const isSession = stat.isFile() && isSafe && nlink <= 2 && stat.size <= MAX_FILE_BYTES
    return { dev, ino, nlink, size: isSession ? stat.size : 0 }
  }

  // Amid `create` the session has a second name, which is known. Any other hard link was put there by somebody else.
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
