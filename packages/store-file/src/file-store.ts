import { join, resolve } from 'node:path'
import {
  type ClearExpiredOptions,
  ConfigError,
  type SessionRecord,
  type StoreContext,
  type StoredRecord,
} from '@sess/core'
import { type AsyncStore, isSessionId, nowOf, readOptions, removeEach } from '@sess/core/store'
import { discard, isOlder, withoutPath } from './folder.ts'
import { checkRecord, MAX_PAYLOAD_BYTES } from './record-file.ts'
import type { Found, SessionFile } from './session-file.ts'
import { SessionFolder } from './session-folder.ts'
import { subjectFolder } from './subject-folder.ts'

/** Options of `fileStore`. */
export interface FileStoreOptions {
  /**
   * Age in seconds at which `clearExpired` removes a file that a killed process left. Default 3600. A write that takes
   * longer than this would fail, so use 0 only while nobody else uses the folder.
   */
  leftOverAge?: number
}

/** A store whose methods return promises. */
export type FileStore = Required<Omit<AsyncStore, 'close' | 'count'>>

const LEFT_OVER = /^([0-9a-z]+)\.([0-9a-f]{32})\.(new|next)$/

/**
 * Keeps each session in a file of its own below `folder` (Django's `file` backend). Any number of processes of one machine
 * may use the folder, and be killed at any moment. A save that returned survives a power loss.
 *
 * The folder is created when it is first needed. It must be on a local file system.
 *
 * @throws ConfigError (`CONFIG`) for a wrong option, and on Windows
 * @example
 * const sessions = createSessions({ store: fileStore('/var/lib/my-app/sessions') })
 */
export function fileStore(folder: string, options: FileStoreOptions = {}): FileStore {
  if (typeof folder !== 'string' || folder === '')
    throw new ConfigError('folder', 'must be the path of a folder.')
  if (process.platform === 'win32') {
    throw new ConfigError(
      'folder',
      'Windows lacks the file operations that keep sessions whole. Use another store, such as sqliteStore.',
    )
  }
  const { leftOverAge } = readOptions<FileStoreOptions>(options, {
    leftOverAge: [3_600, [age => typeof age === 'number' && age >= 0, 'a number of seconds, 0 or more']],
  })
  const maxAge = leftOverAge * 1_000

  const root = resolve(folder)
  const sessions = new SessionFolder(root)
  const subjects = subjectFolder(join(root, 'subjects'))

  async function mark(subject: string | undefined, id: string): Promise<void> {
    if (subject !== undefined) await subjects.mark(subject, id)
  }

  /** Runs `change` on the live record. Its file stays open meanwhile. */
  async function onLive<T>(
    id: string,
    context: StoreContext,
    change: (file: SessionFile, found: Found) => Promise<T>,
  ): Promise<T | 'gone'> {
    context.signal?.throwIfAborted()
    if (!isSessionId(id)) return 'gone'
    await sessions.open()
    const file = await sessions.file(id)
    const found = await file.find()
    try {
      return found && isLive(found.record, context) ? await change(file, found) : 'gone'
    } finally {
      await found?.close()
    }
  }

  async function replace(
    id: string,
    version: string,
    context: StoreContext,
    next: (record: StoredRecord) => SessionRecord,
  ): Promise<'ok' | 'stale' | 'gone'> {
    return await onLive(id, context, async (file, found) => {
      if (found.record.version !== version) return 'stale'
      const record = next(found.record)
      checkRecord(record)
      if (record.subject !== found.record.subject) await mark(record.subject, id)
      context.signal?.throwIfAborted()
      if (await file.change(found, record)) {
        await file.sync()
        return 'ok'
      }
      return isLive(await file.read(), context) ? 'stale' : 'gone'
    })
  }

  async function remove(id: string, version: string | undefined, context: StoreContext) {
    for (;;) {
      const outcome = await onLive(id, context, async (file, found) => {
        if (version !== undefined && found.record.version !== version) return 'stale'
        if (!(await file.change(found, null))) return 'again'
        await endRemoval(file, id, found.record)
        await file.sync()
        return 'ok'
      })
      if (outcome !== 'again') return outcome
    }
  }

  // The mark is removed first. Once the tombstone is gone, the name may be taken again, and the mark be the new owner's.
  async function endRemoval(file: SessionFile, id: string, { subject }: StoredRecord): Promise<void> {
    if (subject !== undefined) await subjects.unmark(subject, id)
    await file.removeTombstone()
  }

  async function* ids(): AsyncGenerator<string> {
    await sessions.open()
    for await (const { name } of sessions.walk()) yield name
  }

  async function* entries(ids: AsyncIterable<string>, subject: string | undefined, context: StoreContext) {
    for await (const id of ids) {
      context.signal?.throwIfAborted()
      const record = isSessionId(id) ? await (await sessions.file(id)).read() : null
      if (isLive(record, context) && (subject === undefined || record.subject === subject))
        yield { id, ...record }
    }
  }

  async function* idsOf(subject: string): AsyncGenerator<string> {
    await sessions.open()
    await sessions.mustExist()
    yield* await subjects.ids(subject)
  }

  async function clearSession(id: string, context: StoreContext): Promise<boolean> {
    const file = await sessions.file(id)
    const found = await file.find()
    try {
      if (!found) await file.removeOldTombstone(maxAge)
      if (!found || isLive(found.record, context) || !(await file.change(found, null))) return false
      await endRemoval(file, id, found.record)
      return true
    } finally {
      await found?.close()
    }
  }

  async function clearLeftOver(path: string, id: string, version: string, kind: string): Promise<void> {
    if (!(await isOlder(path, maxAge))) return
    const file = await sessions.file(id)
    const found = kind === 'next' ? await file.find() : null
    try {
      if (found?.record.version === version) await file.finish(found)
      else await discard(path)
    } finally {
      await found?.close()
    }
  }

  async function* clearExpired({ batchSize = 1_000, ...context }: ClearExpiredOptions) {
    await sessions.open()
    let removed = 0
    for await (const { path, name } of sessions.walk()) {
      context.signal?.throwIfAborted()
      const [, id = '', version = '', kind = ''] = LEFT_OVER.exec(name) ?? []
      if (isSessionId(id)) await clearLeftOver(path, id, version, kind)
      if (!isSessionId(name) || !(await clearSession(name, context)) || ++removed < batchSize) continue
      yield { removed }
      removed = 0
    }
    if (removed > 0) yield { removed }
    await subjects.heal(maxAge, async (id, owns) => {
      context.signal?.throwIfAborted()
      const record = isSessionId(id) ? await (await sessions.file(id)).read() : null
      return record?.subject !== undefined && owns(record.subject)
    })
  }

  const scanBySubject: FileStore['scanBySubject'] = (subject, context = {}) =>
    tidyEach(entries(idsOf(subject), subject, context))

  return {
    maxBytes: MAX_PAYLOAD_BYTES,

    read: (id, context = {}) =>
      tidy(async () => {
        context.signal?.throwIfAborted()
        if (!isSessionId(id)) return null
        await sessions.open()
        const record = await (await sessions.file(id)).read()
        return isLive(record, context) ? record : null
      }),

    insert: (id, record, context = {}) =>
      tidy(async () => {
        context.signal?.throwIfAborted()
        if (!isSessionId(id)) return false
        checkRecord(record)
        await sessions.open()
        await mark(record.subject, id)
        const file = await sessions.file(id)
        if (!(await sessions.inShard(id, () => file.create(record)))) return false
        // A removal of this id that ended just before `create` may have taken the mark along.
        await mark(record.subject, id)
        await file.sync()
        return true
      }),

    replace: (id, record, version, context = {}) => tidy(() => replace(id, version, context, () => record)),

    touch: (id, expiresAt, version, context = {}) =>
      tidy(async () => (await replace(id, version, context, record => ({ ...record, expiresAt }))) === 'ok'),

    remove: (id, version, context = {}) => tidy(() => remove(id, version, context)),

    clearExpired: (options = {}) => tidyEach(clearExpired(options)),

    scan: (context = {}) => tidyEach(entries(ids(), undefined, context)),

    scanBySubject,

    removeBySubject: removeEach(scanBySubject, (id, version, context) =>
      tidy(() => remove(id, version, context)),
    ),
  }
}

function isLive(record: StoredRecord | null, context: StoreContext): record is StoredRecord {
  return record !== null && record.expiresAt > nowOf(context)
}

/** Removes paths from the errors of `work`. */
async function tidy<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw withoutPath(error)
  }
}

async function* tidyEach<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* items
  } catch (error) {
    throw withoutPath(error)
  }
}
