import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, lstatSync, readdirSync } from 'node:fs'
import { cp, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fileStore } from '../src/index.ts'
import { all, idOf, scratch } from './helpers/scratch.ts'

const NOBODY = 65_534
const record = (payload: string, subject?: string) => ({
  payload,
  expiresAt: Date.now() + 3_600_000,
  ...(subject && { subject }),
})
const shardOf = (folder: string) => join(folder, 'sessions', '00')
const refused = { code: 'CONFIG', option: 'folder' }

/** Every call of a new store on that folder. */
function everyCall(folder: string): Promise<unknown>[] {
  const store = fileStore(folder, { leftOverAge: 0 })
  return [
    store.read(idOf(1)),
    store.insert(idOf(2), record('x')),
    store.replace(idOf(1), record('x'), 'v'),
    store.touch(idOf(1), Date.now() + 5_000, 'v'),
    store.remove(idOf(1)),
    all(store.scan()),
    all(store.clearExpired()),
  ]
}

async function expectRefused(folder: string, says: RegExp): Promise<void> {
  for (const outcome of await Promise.allSettled(everyCall(folder))) {
    expect(outcome).toMatchObject({
      status: 'rejected',
      reason: { ...refused, message: expect.stringMatching(says) },
    })
  }
}

/** A folder in which there is a session already. */
async function used(): Promise<string> {
  const folder = await scratch()
  const store = fileStore(folder)
  await store.insert(idOf(1), record('genuine', 'ann'))
  return folder
}

// Only root can give a file away; a test that could not is no test.
const isRoot = process.getuid?.() === 0
if (!isRoot) console.warn('Skipped: tests of files of another owner. Run them as root.')

describe.skipIf(!isRoot)('of another owner [M7, F36]', () => {
  it('the folder that was named is rejected', async () => {
    const folder = await used()
    chownSync(folder, NOBODY, NOBODY)
    await expectRefused(folder, /belongs to another user/)
  })

  it('the folder of all sessions is rejected', async () => {
    const folder = await used()
    chownSync(join(folder, 'sessions'), NOBODY, NOBODY)
    await expectRefused(folder, /belongs to another user/)
  })

  it('the folder of subjects is rejected', async () => {
    const folder = await used()
    chownSync(join(folder, 'subjects'), NOBODY, NOBODY)
    await expectRefused(folder, /belongs to another user/)
  })

  it('a folder with some sessions is rejected when they are read, too', async () => {
    const folder = await used()
    chownSync(shardOf(folder), NOBODY, NOBODY)
    await expectRefused(folder, /belongs to another user/)
  })

  it('a session file is no session, and stays', async () => {
    const folder = await used()
    const path = join(shardOf(folder), idOf(1))
    chownSync(path, NOBODY, NOBODY)
    const store = fileStore(folder, { leftOverAge: 0 })
    expect(await store.read(idOf(1))).toBeNull()
    expect(await store.insert(idOf(1), record('x'))).toBe(false)
    expect(await store.remove(idOf(1))).toBe('gone')
    expect(await all(store.scan())).toEqual([])
    expect(await all(store.clearExpired({ now: Date.now() + 9_000_000 }))).toEqual([])
    expect(await readFile(path, 'utf8')).toContain('genuine')
  })

  it('what another user has made beforehand is rejected, whatever its modes', async () => {
    const folder = await scratch()
    chmodSync(folder, 0o1777)
    // In a folder like /tmp another user may make ours first.
    const script = `require('node:fs').mkdirSync('sessions/00', { recursive: true, mode: 0o700 })`
    execFileSync(process.execPath, ['-e', script], { cwd: folder, uid: NOBODY, gid: NOBODY })
    expect(lstatSync(join(folder, 'sessions')).uid).toBe(NOBODY)
    await expectRefused(folder, /belongs to another user/)
  })

  it('a process of another user cannot use a folder of ours', async () => {
    const folder = await used()
    const { version } = (await fileStore(folder).read(idOf(1)))!
    const helper = new URL('./helpers/other-user.ts', import.meta.url).pathname
    // As others see it that have this folder open to them by mistake.
    chmodSync(folder, 0o755)
    const outcome = JSON.parse(
      execFileSync(process.execPath, [helper, folder, idOf(1), version], { encoding: 'utf8' }),
    ) as Record<string, unknown>
    for (const [call, result] of Object.entries(outcome))
      expect(result, call).toMatch(/^throws (CONFIG|EACCES)$/)
    expect((await fileStore(folder).read(idOf(1)))?.payload).toBe('genuine')
  })
})

describe('writable by others [M7]', () => {
  it.each([0o777, 0o770, 0o702])('the folder that was named, with mode %o, is rejected', async mode => {
    const folder = await used()
    chmodSync(folder, mode)
    await expectRefused(folder, /chmod/)
  })

  it('the folder that was named may be readable, and writable as /tmp is', async () => {
    for (const mode of [0o755, 0o1777]) {
      const folder = await used()
      chmodSync(folder, mode)
      expect((await fileStore(folder).read(idOf(1)))?.payload).toBe('genuine')
    }
  })

  it('a folder with some sessions is rejected when they are read, too', async () => {
    const folder = await used()
    chmodSync(shardOf(folder), 0o777)
    await expectRefused(folder, /chmod/)
  })

  it('a session file is no session, and stays', async () => {
    const folder = await used()
    const path = join(shardOf(folder), idOf(1))
    for (const mode of [0o622, 0o620, 0o602]) {
      chmodSync(path, mode)
      const store = fileStore(folder)
      expect(await store.read(idOf(1))).toBeNull()
      expect(await store.remove(idOf(1))).toBe('gone')
      expect(await readFile(path, 'utf8')).toContain('genuine')
    }
    chmodSync(path, 0o600)
    expect((await fileStore(folder).read(idOf(1)))?.payload).toBe('genuine')
  })
})

describe('a link in place of a folder is never followed [M7, F36]', () => {
  it('with some sessions: not to read, not to write, not to clean up', async () => {
    const elsewhere = await scratch()
    const folder = await used()
    await rename(shardOf(folder), join(elsewhere, 'shard'))
    // What a clean-up would take for a left-over.
    await writeFile(join(elsewhere, 'shard', `${idOf(3)}.${'0'.repeat(32)}.new`), 'of somebody else')
    const before = readdirSync(join(elsewhere, 'shard'))
    await symlink(join(elsewhere, 'shard'), shardOf(folder))
    await expectRefused(folder, /link or a file/)
    expect(readdirSync(join(elsewhere, 'shard'))).toEqual(before)
  })

  it('with the marks of subjects: nothing behind it is read or removed', async () => {
    const folder = await used()
    const store = fileStore(folder, { leftOverAge: 0 })
    const elsewhere = await scratch()
    await mkdir(join(elsewhere, 'ab', 'cd'), { recursive: true })
    await writeFile(join(elsewhere, 'ab', 'cd', 'precious'), 'of somebody else')
    await symlink(join(elsewhere, 'ab'), join(folder, 'subjects', 'zz'))
    await all(store.clearExpired())
    expect(await readFile(join(elsewhere, 'ab', 'cd', 'precious'), 'utf8')).toBe('of somebody else')
  })

  it('of all sessions or subjects', async () => {
    for (const name of ['sessions', 'subjects']) {
      const folder = await used()
      const elsewhere = await scratch()
      await rename(join(folder, name), join(elsewhere, name))
      await symlink(join(elsewhere, name), join(folder, name))
      await expectRefused(folder, /link or a file/)
    }
  })

  it('while the named folder itself may be one, because it was named', async () => {
    const folder = await used()
    const link = join(await scratch(), 'link')
    await symlink(folder, link)
    expect((await fileStore(link).read(idOf(1)))?.payload).toBe('genuine')
  })
})

it('folders that were copied by their owner work', async () => {
  const folder = await used()
  const copy = join(await scratch(), 'copy')
  await cp(folder, copy, { recursive: true, preserveTimestamps: true })
  for (const path of ['', 'sessions', 'sessions/00']) chmodSync(join(copy, path), 0o700)
  chmodSync(join(copy, 'sessions', '00', idOf(1)), 0o600)
  expect((await fileStore(copy).read(idOf(1)))?.payload).toBe('genuine')
})
