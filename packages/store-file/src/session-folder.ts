import { lstat, mkdir, readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { checkFolder, checkRoot, ensureFolder, hasCode, listFolder, syncFolder } from './folder.ts'
import { SessionFile } from './session-file.ts'

/** The folders of the session files: `<root>/sessions/<first two characters of the id>/`, called shards. */
export class SessionFolder {
  readonly #root: string
  readonly #sessions: string
  #opened: Promise<void> | undefined
  readonly #shards = new Set<string>()

  constructor(root: string) {
    this.#root = root
    this.#sessions = join(root, 'sessions')
  }

  /**
   * Creates the folder at its first use, and never again. If it is missing later, a disk was unmounted, which must not
   * look like a folder without sessions.
   */
  async open(): Promise<void> {
    this.#opened ??= this.#make()
    try {
      await this.#opened
    } catch (error) {
      this.#opened = undefined
      throw error
    }
  }

  /** Throws if the folder has gone missing. */
  async mustExist(): Promise<void> {
    await lstat(this.#sessions)
  }

  /** The files of a session. Checks their folder before its first use. */
  async file(id: string): Promise<SessionFile> {
    const shard = this.#shardOf(id)
    if (!this.#shards.has(shard) && (await checkFolder(shard))) this.#shards.add(shard)
    return new SessionFile(shard, id)
  }

  /** Runs `work`, which creates a file in the shard of `id`. Creates the shard if it is missing. */
  async inShard<T>(id: string, work: () => Promise<T>): Promise<T> {
    const shard = this.#shardOf(id)
    if (this.#shards.has(shard)) {
      try {
        return await work()
      } catch (error) {
        // Somebody has emptied the folder to end all sessions.
        if (!hasCode(error, 'ENOENT')) throw error
      }
    }
    await ensureFolder(shard)
    this.#shards.add(shard)
    return await work()
  }

  /** Every name in every shard. Claims come first in a shard, because clearing one needs its new file. */
  async *walk(): AsyncGenerator<{ path: string; name: string }> {
    for (const shard of await readdir(this.#sessions)) {
      await checkFolder(join(this.#sessions, shard))
      const names = await listFolder(join(this.#sessions, shard))
      const isClaim = (name: string) => name.endsWith('.next')
      for (const name of [...names.filter(isClaim), ...names.filter(each => !isClaim(each))]) {
        yield { path: join(this.#sessions, shard, name), name }
      }
    }
  }

  #shardOf(id: string): string {
    return join(this.#sessions, id.slice(0, 2))
  }

  async #make(): Promise<void> {
    const first = await mkdir(this.#root, { recursive: true, mode: 0o700 })
    if (first !== undefined) {
      for (let made = this.#root; made.length >= first.length; made = dirname(made)) {
        await syncFolder(dirname(made))
      }
    }
    await checkRoot(this.#root)
    await ensureFolder(this.#sessions)
    await checkFolder(join(this.#root, 'subjects'))
  }
}
