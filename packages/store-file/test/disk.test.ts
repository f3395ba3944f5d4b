import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, lstatSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { chmod, chown, open, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { fileStore } from '../src/index.ts'
import { idOf, namesIn, scratch } from './helpers/scratch.ts'

const expiresAt = Date.now() + 3_600_000
const record = (payload: string, subject?: string) => ({ payload, expiresAt, ...(subject && { subject }) })

/** Skips aloud what this machine cannot do, or fails where nothing may be skipped. */
function requires(condition: boolean, reason: string, skip: (reason: string) => never): void {
  if (condition) return
  if (process.env['SESS_REQUIRE_SERVERS'] === '1') throw new Error(reason)
  console.warn(`TEST SKIPPED. ${reason}`)
  skip(reason)
}

const isRoot = process.getuid?.() === 0

describe('a disk of 1 MB [F13]', () => {
  it('a save that finds it full fails, leaves nothing, and the session is as before; a logout works', async ({
    skip,
  }) => {
    const folder = await scratch()
    const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=0700', 'sess-test', folder])
    requires(
      mount.status === 0,
      `A tmpfs cannot be mounted here (run as root): ${mount.stderr ?? mount.error}`,
      skip,
    )
    onTestFinished(() => void execFileSync('umount', [folder]))

    const store = fileStore(folder)
    expect(await store.insert(idOf(1), record('before', 'ann'))).toBe(true)
    expect(await store.insert(idOf(2), record('other'))).toBe(true)
    const { version } = (await store.read(idOf(1)))!
    const full = { code: 'ENOSPC' }
    const big = 'x'.repeat(1_200_000)
    await expect(store.replace(idOf(1), record(big, 'ann'), version)).rejects.toMatchObject(full)
    await expect(store.insert(idOf(3), record(big))).rejects.toMatchObject(full)

    // Now to the last byte.
    await expect(writeFile(join(folder, 'filler'), Buffer.alloc(2_000_000))).rejects.toMatchObject(full)
    await expect(store.replace(idOf(1), record('after', 'ann'), version)).rejects.toMatchObject(full)
    await expect(store.touch(idOf(1), expiresAt + 1, version)).rejects.toMatchObject(full)
    await expect(store.insert(idOf(3), record('x'))).rejects.toMatchObject(full)

    expect(await store.read(idOf(1))).toEqual({ ...record('before', 'ann'), version })
    expect(await store.read(idOf(3))).toBe(null)
    expect((await namesIn(join(folder, 'sessions'))).sort()).toEqual([idOf(1), idOf(2)])
    expect(await store.remove(idOf(2))).toBe('ok')
    expect(await store.removeBySubject('ann')).toBe(1)
    await rm(join(folder, 'filler'))
    expect(await store.insert(idOf(3), record('x'))).toBe(true)
  })
})

describe('rights [F10]', () => {
  const helper = fileURLToPath(new URL('./helpers/other-user.ts', import.meta.url))
  const asOther = (folder: string, id: string, version: string) =>
    JSON.parse(execFileSync(process.execPath, [helper, folder, id, version], { encoding: 'utf8' }))

  it('in a read-only folder reading works, and every write is an error', async ({ skip }) => {
    requires(isRoot, 'Only root can become another user.', skip)
    const folder = await scratch()
    const store = fileStore(folder)
    await store.insert(idOf(1), record('mine'))
    const { version } = (await store.read(idOf(1)))!
    for (const name of [
      folder,
      ...(await readdir(folder, { recursive: true })).map(each => join(folder, each)),
    ]) {
      await chown(name, 65_534, 65_534)
      if (statSync(name).isDirectory()) await chmod(name, 0o500)
    }
    const denied = 'throws EACCES'
    expect(asOther(folder, idOf(1), version)).toEqual({
      read: 'mine',
      readAbsent: null,
      insert: denied,
      replace: denied,
      remove: denied,
    })
    // It is the other user's now.
    expect(await store.read(idOf(1))).toBeNull()
  })

  it('another user may not even look, which is an error and not an empty store [C24, F1]', async ({
    skip,
  }) => {
    requires(isRoot, 'Only root can become another user.', skip)
    const folder = await scratch()
    chmodSync(folder, 0o755)
    const store = fileStore(folder)
    await store.insert(idOf(1), record('mine'))
    const { version } = (await store.read(idOf(1)))!
    const outcomes = asOther(folder, idOf(1), version)
    expect(new Set(Object.values(outcomes))).toEqual(new Set(['throws CONFIG']))
  })
})

describe('power loss [F12]', () => {
  it('syncs the new file before it gets its name, and the folder before it returns', async ({ skip }) => {
    requires(process.platform === 'linux', 'The path of an open file is read from /proc.', skip)
    const folder = await scratch()
    const store = fileStore(folder)
    const shard = join(folder, 'sessions', '00')
    await store.insert(idOf(2), record('so that the folder is there'))
    const log: string[] = []
    const handle = await open(folder)
    await handle.close()
    const sync = vi.spyOn(Object.getPrototypeOf(handle), 'sync')
    sync.mockImplementation(async function (this: unknown) {
      const path = readlinkSync(`/proc/self/fd/${(this as { fd: number }).fd}`)
      const name = path.slice(folder.length).replaceAll(/[0-9a-f]{32,}/g, '#')
      const session = lstatSync(join(shard, idOf(1)), { throwIfNoEntry: false })
      const files = readdirSync(shard).length
      log.push(`${name}: ${session ? `a session of ${session.size} bytes` : 'no session'}, ${files} files`)
    })
    try {
      await store.insert(idOf(1), record('a', 'ann'))
      const { size } = statSync(join(shard, idOf(1)))
      const marked = log.findLastIndex(line => line.startsWith('/subjects'))
      expect(marked).toBeGreaterThan(-1)
      expect(marked).toBeLessThan(log.findIndex(line => line.startsWith('/sessions')))
      expect(log.filter(line => line.startsWith('/sessions'))).toEqual([
        '/sessions/00/#.#.new: no session, 2 files',
        `/sessions/00: a session of ${size} bytes, 2 files`,
      ])
      log.length = 0
      const { version } = (await store.read(idOf(1)))!
      await store.replace(idOf(1), record('bb', 'ann'), version)
      expect(log).toEqual([
        `/sessions/00/#.#.new: a session of ${size} bytes, 3 files`,
        `/sessions/00: a session of ${size + 1} bytes, 2 files`,
      ])
      log.length = 0
      await store.remove(idOf(1))
      expect(log).toEqual(['/sessions/00: no session, 1 files'])
    } finally {
      sync.mockRestore()
    }
  })
})
