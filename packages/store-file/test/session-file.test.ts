import { link, readdir, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fileStore } from '../src/index.ts'
import { serializeRecord } from '../src/record-file.ts'
import { SessionFile } from '../src/session-file.ts'
import { all, idOf, namesIn, scratch } from './helpers/scratch.ts'

const id = idOf(1)
const expiresAt = Date.now() + 3_600_000
const record = (payload: string) => ({ payload, expiresAt })
const W = 'f'.repeat(32)

/** A store with one session, and what a writer that died at some point left next to it. */
async function opened() {
  const folder = await scratch()
  const store = fileStore(folder)
  await store.insert(id, record('first'))
  const shard = join(folder, 'sessions', '00')
  const { version } = (await store.read(id))!
  const path = (suffix: string) => join(shard, `${id}.${suffix}`)
  return { folder, store, shard, version, path, file: new SessionFile(shard, id) }
}

describe('what a killed writer leaves [F11]', () => {
  it('a new file that was never claimed changes nothing, and goes with clearExpired', async () => {
    const { store, folder, version, path } = await opened()
    await writeFile(path(`${W}.new`), 'half a rec')
    expect(await store.replace(id, record('second'), version)).toBe('ok')
    await all(store.clearExpired())
    expect(await namesIn(folder)).toContain(`${id}.${W}.new`)
    await all(fileStore(folder, { leftOverAge: 0 }).clearExpired())
    expect(await namesIn(folder)).toEqual([id])
  })

  it('a claim is carried out by the next writer, who finds its own version stale', async () => {
    const { store, folder, version, path } = await opened()
    await writeFile(path(`${W}.new`), serializeRecord(id, W, record('of the dead')))
    await symlink(W, path(`${version}.next`))
    expect((await store.read(id))?.payload).toBe('first')
    expect(await store.replace(id, record('second'), version)).toBe('stale')
    expect(await store.read(id)).toEqual({ ...record('of the dead'), version: W })
    expect(await store.replace(id, record('third'), W)).toBe('ok')
    expect(await namesIn(folder)).toEqual([id])
  })

  it('a claimed removal is carried out by the next writer, who finds the session gone', async () => {
    const { store, folder, version, path } = await opened()
    await writeFile(path(`${W}.new`), '')
    await symlink(W, path(`${version}.next`))
    expect(await store.touch(id, expiresAt + 1, version)).toBe(false)
    expect(await store.read(id)).toBe(null)
    expect(await store.remove(id)).toBe('gone')
    await all(fileStore(folder, { leftOverAge: 0 }).clearExpired())
    expect(await namesIn(folder)).toEqual([])
    expect(await store.insert(id, record('anew'))).toBe(true)
  })

  it('a claim is carried out by clearExpired, too', async () => {
    const { store, folder, version, path } = await opened()
    await writeFile(path(`${W}.new`), serializeRecord(id, W, record('of the dead')))
    await symlink(W, path(`${version}.next`))
    await all(fileStore(folder, { leftOverAge: 0 }).clearExpired())
    expect((await store.read(id))?.version).toBe(W)
    expect(await namesIn(folder)).toEqual([id])
  })

  it('a claim of an earlier version goes with clearExpired', async () => {
    const { store, folder, version, path } = await opened()
    expect(await store.replace(id, record('second'), version)).toBe('ok')
    await symlink(W, path(`${version}.next`))
    await writeFile(path(`${W}.new`), serializeRecord(id, W, record('of the dead')))
    expect(await store.replace(id, record('late'), version)).toBe('stale')
    await all(fileStore(folder, { leftOverAge: 0 }).clearExpired())
    expect((await store.read(id))?.payload).toBe('second')
    expect(await namesIn(folder)).toEqual([id])
  })

  it('a claim whose file is lost holds a session up for ten seconds at the most', async () => {
    const { store, folder, version, path } = await opened()
    await symlink(W, path(`${version}.next`))
    expect(await store.replace(id, record('second'), version)).toBe('stale')
    const then = new Date(Date.now() - 11_000)
    const { lutimes } = await import('node:fs/promises')
    await lutimes(path(`${version}.next`), then, then)
    expect(await store.replace(id, record('second'), version)).toBe('stale')
    expect(await store.replace(id, record('second'), version)).toBe('ok')
    expect(await namesIn(folder)).toEqual([id])
  })

  it('an insert that was cut short after its session appeared reads as it is', async () => {
    const { store, folder, shard } = await opened()
    const bytes = serializeRecord(idOf(2), W, record('cut short'))
    await writeFile(join(shard, `${idOf(2)}.${W}.new`), bytes)
    await link(join(shard, `${idOf(2)}.${W}.new`), join(shard, idOf(2)))
    expect((await store.read(idOf(2)))?.payload).toBe('cut short')
    await all(fileStore(folder, { leftOverAge: 0 }).clearExpired())
    expect((await store.read(idOf(2)))?.payload).toBe('cut short')
    expect((await namesIn(folder)).sort()).toEqual([id, idOf(2)])
  })

  it('marks of subjects without a record go when they are old, and no others', async () => {
    const { store, folder } = await opened()
    await store.insert(idOf(3), { ...record('x'), subject: 'ann' })
    const { version } = (await store.read(idOf(3)))!
    await store.replace(idOf(3), { ...record('x'), subject: 'bob' }, version)
    expect(await namesIn(join(folder, 'subjects'))).toHaveLength(2)
    await all(store.clearExpired())
    expect(await namesIn(join(folder, 'subjects'))).toHaveLength(2)
    const subjects = await readdir(join(folder, 'subjects'), { recursive: true, withFileTypes: true })
    const then = new Date(Date.now() - 3_601_000)
    for (const mark of subjects.filter(entry => entry.isFile())) {
      await utimes(join(mark.parentPath, mark.name), then, then)
    }
    await all(store.clearExpired())
    expect(await namesIn(join(folder, 'subjects'))).toEqual([idOf(3)])
    expect(await store.removeBySubject('ann')).toBe(0)
    expect(await store.removeBySubject('bob')).toBe(1)
    expect(await namesIn(join(folder, 'subjects'))).toEqual([])
  })
})

describe('a writer that was held up', () => {
  it('does not change a session that others changed twice meanwhile [A37]', async () => {
    const { store, folder, file, version } = await opened()
    const found = (await file.find())!
    expect(await store.replace(id, record('second'), version)).toBe('ok')
    const { version: next } = (await store.read(id))!
    expect(await store.replace(id, record('third'), next)).toBe('ok')
    expect(await file.change(found, record('late'))).toBe(false)
    await found.close()
    expect((await store.read(id))?.payload).toBe('third')
    expect(await namesIn(folder)).toEqual([id])
  })

  it('does not bring back a session that was removed meanwhile, nor touch one that took its id [C1]', async () => {
    const { store, folder, file } = await opened()
    const found = (await file.find())!
    expect(await store.remove(id)).toBe('ok')
    expect(await file.change(found, record('late'))).toBe(false)
    expect(await store.read(id)).toBe(null)
    expect(await namesIn(folder)).toEqual([])
    expect(await store.insert(id, record('another'))).toBe(true)
    expect(await file.change(found, null)).toBe(false)
    await found.close()
    expect((await store.read(id))?.payload).toBe('another')
  })
})
