import { hash } from 'node:crypto'
import { constants, lutimes, open, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { discard, ensureFolder, hasCode, isOlder, listFolder, listFolders, syncFolder } from './folder.ts'

/**
 * Marks: one empty file `subjects/<2 digits>/<SHA-256 of the subject>/<id>` for each session that a subject has or had.
 *
 * A mark is on the disk before its record, so no record lacks its mark. A mark may outlive its record, or the record may
 * belong to another subject by now. So readers of a mark must look at the record.
 */
export interface SubjectFolder {
  mark(subject: string, id: string): Promise<void>
  /** Only for a record that was removed. */
  unmark(subject: string, id: string): Promise<void>
  ids(subject: string): Promise<string[]>
  /** Removes marks that are at least `age` milliseconds old and for which `isWanted` returns false. */
  heal(
    age: number,
    isWanted: (id: string, owns: (subject: string) => boolean) => Promise<boolean>,
  ): Promise<void>
}

export function subjectFolder(root: string): SubjectFolder {
  function folderOf(subject: string): string {
    const digest = hash('sha256', subject)
    return join(root, digest.slice(0, 2), digest)
  }

  return {
    async mark(subject, id) {
      const folder = folderOf(subject)
      const mark = join(folder, id)
      // Another process may remove the folder while it is empty, and the mark while it is old.
      for (;;) {
        try {
          const { O_CREAT, O_EXCL, O_WRONLY } = constants
          await (await open(mark, O_CREAT | O_EXCL | O_WRONLY, 0o600)).close()
          return await syncFolder(folder)
        } catch (error) {
          if (hasCode(error, 'ENOENT')) {
            await ensureFolder(root)
            await ensureFolder(join(folder, '..'))
            await ensureFolder(folder)
            continue
          }
          if (!hasCode(error, 'EEXIST')) throw error
        }
        try {
          const now = new Date()
          return await lutimes(mark, now, now)
        } catch (error) {
          if (!hasCode(error, 'ENOENT')) throw error
        }
      }
    },

    async unmark(subject, id) {
      const folder = folderOf(subject)
      await discard(join(folder, id))
      await removeIfEmpty(folder)
    },

    ids: subject => listFolder(folderOf(subject)),

    async heal(age, isWanted) {
      for (const shard of await listFolders(root)) {
        for (const digest of await listFolders(join(root, shard))) {
          const folder = join(root, shard, digest)
          for (const id of await listFolder(folder)) {
            if (!(await isOlder(join(folder, id), age))) continue
            if (!(await isWanted(id, subject => hash('sha256', subject) === digest)))
              await discard(join(folder, id))
          }
          await removeIfEmpty(folder)
        }
      }
    },
  }
}

async function removeIfEmpty(folder: string): Promise<void> {
  try {
    await rmdir(folder)
  } catch (error) {
    if (!hasCode(error, 'ENOTEMPTY', 'EEXIST', 'ENOENT')) throw error
  }
}
