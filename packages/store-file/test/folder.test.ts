import { execFileSync } from 'node:child_process'
import { chmodSync, lstatSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { link, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createSessions } from '@sess/core'
import { describe, expect, it } from 'vitest'
import { fileStore } from '../src/index.ts'
import { all, idOf, namesIn, scratch } from './helpers/scratch.ts'

const expiresAt = Date.now() + 3_600_000
const record = (payload: string, subject?: string) => ({ payload, expiresAt, ...(subject && { subject }) })
const pathOf = (folder: string, id: string) => join(folder, 'sessions', id.slice(0, 2), id)

describe('names and modes', () => {
  it('ids that are none never reach the disk [C23]', async () => {
    const folder = join(await scratch(), 'sessions-of-app')
    const store = fileStore(folder)
    const hostile = ['', '.', '..', '../../../etc/passwd', 'a/b', `${'a'.repeat(39)}/`, `${'a'.repeat(39)}\0`]
    hostile.push(
      'A'.repeat(40),
      'é'.repeat(20),
      `${'a'.repeat(40)}\n`,
      'a'.repeat(33),
      'g'.repeat(40),
      '*'.repeat(40),
    )
    for (const id of hostile) {
      expect(await store.read(id)).toBe(null)
      expect(await store.insert(id, record('x', 'ann'))).toBe(false)
      expect(await store.replace(id, record('x'), 'v')).toBe('gone')
      expect(await store.touch(id, expiresAt, 'v')).toBe(false)
      expect(await store.remove(id)).toBe('gone')
    }
    expect(() => statSync(folder)).toThrow('ENOENT')
  })

  it('files are 0600 and folders 0700 from their first instant, whatever the umask [C24]', async () => {
    const parent = await scratch()
    const folder = join(parent, 'new', 'sessions-of-app')
    const modes = new Set<string>()
    function look(path: string): void {
      const stat = lstatSync(path, { throwIfNoEntry: false })
      if (!stat || stat.isSymbolicLink()) return
      if (path !== parent)
        modes.add(`${stat.isDirectory() ? 'folder' : 'file'} ${(stat.mode & 0o777).toString(8)}`)
      if (stat.isDirectory()) for (const name of readdirSync(path)) look(join(path, name))
    }
    const before = process.umask(0)
    let busy = true
    const watching = (async () => {
      while (busy) {
        look(parent)
        await new Promise(setImmediate)
      }
    })()
    try {
      const store = fileStore(folder)
      for (let n = 0; n < 20; n++) {
        expect(await store.insert(idOf(n), record('one', `user-${n}`))).toBe(true)
        const { version } = (await store.read(idOf(n)))!
        expect(await store.replace(idOf(n), record('two', 'ann'), version)).toBe('ok')
      }
    } finally {
      busy = false
      process.umask(before)
      await watching
    }
    look(parent)
    expect([...modes].sort()).toEqual(['file 600', 'folder 700'])
  })

  it('rejects session folders that others may look into, and a link in place of one [C24]', async () => {
    const open = await scratch()
    mkdirSync(join(open, 'sessions'))
    chmodSync(join(open, 'sessions'), 0o750)
    await expect(fileStore(open).read(idOf(1))).rejects.toMatchObject({ code: 'CONFIG', option: 'folder' })

    const linked = await scratch()
    await symlink(await scratch(), join(linked, 'sessions'))
    await expect(fileStore(linked).insert(idOf(1), record('x'))).rejects.toMatchObject({ code: 'CONFIG' })

    const shard = await scratch()
    const store = fileStore(shard)
    await store.read(idOf(1))
    await symlink(await scratch(), join(shard, 'sessions', '00'))
    await expect(store.insert(idOf(1), record('x'))).rejects.toMatchObject({ code: 'CONFIG' })
  })

  it('rejects wrong options by name', () => {
    expect(() => fileStore('')).toThrow(expect.objectContaining({ code: 'CONFIG', option: 'folder' }))
    for (const leftOverAge of [-1, Number.NaN, '1h' as unknown as number]) {
      expect(() => fileStore('x', { leftOverAge })).toThrow(
        expect.objectContaining({ option: 'leftOverAge' }),
      )
    }
    expect(() => fileStore('x', { leftoverAge: 60 } as never)).toThrow(
      expect.objectContaining({
        code: 'CONFIG',
        option: 'leftoverAge',
        message: 'leftoverAge: unknown option; there are leftOverAge.',
      }),
    )
  })

  it('errors name no path and so no id [A8]', async () => {
    const folder = await scratch()
    const store = fileStore(folder)
    await store.insert(idOf(1), record('x'))
    await rename(join(folder, 'sessions'), join(folder, 'away'))
    const error = await store.read(idOf(1)).catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      code: 'ENOENT',
      message: expect.stringContaining('no such file or directory'),
    })
    expect(`${(error as Error).stack} ${JSON.stringify(error)}`).not.toMatch(/000001|sess-file-/)
  })
})

describe('something else in place of a session file [F36]', () => {
  async function planted(plant: (path: string, folder: string) => Promise<unknown> | unknown) {
    const folder = await scratch()
    const store = fileStore(folder, { leftOverAge: 0 })
    await store.insert(idOf(1), record('genuine'))
    const path = pathOf(folder, idOf(2))
    await plant(path, folder)
    const before = lstatSync(path)
    expect(await store.read(idOf(2))).toBe(null)
    expect(await store.insert(idOf(2), record('x'))).toBe(false)
    expect(await store.replace(idOf(2), record('x'), 'v')).toBe('gone')
    expect(await store.touch(idOf(2), expiresAt, 'v')).toBe(false)
    expect(await store.remove(idOf(2))).toBe('gone')
    expect((await all(store.scan())).map(({ id }) => id)).toEqual([idOf(1)])
    expect(await all(store.clearExpired({ now: expiresAt - 1 }))).toEqual([])
    const after = lstatSync(path)
    expect([after.ino, after.mode, after.size]).toEqual([before.ino, before.mode, before.size])
    return folder
  }

  it('rejects a symbolic link, even to a genuine session', async () => {
    const folder = await planted((path, folder) => symlink(pathOf(folder, idOf(1)), path))
    expect(await readFile(pathOf(folder, idOf(1)), 'utf8')).toContain('genuine')
    await planted(path => symlink('/etc/passwd', path))
    await planted(path => symlink('nowhere', path))
  })

  it('rejects a symbolic link to a record that would be valid in its place [M8]', async () => {
    const folder = await scratch()
    const store = fileStore(folder, { leftOverAge: 0 })
    await store.insert(idOf(1), record('genuine'))
    const { version } = (await store.read(idOf(1)))!
    const path = pathOf(folder, idOf(1))
    const target = join(folder, 'target')
    await rename(path, target)
    await symlink(target, path)
    expect(await store.read(idOf(1))).toBeNull()
    expect(await store.replace(idOf(1), record('x'), version)).toBe('gone')
    expect(await store.touch(idOf(1), expiresAt + 1, version)).toBe(false)
    expect(await store.remove(idOf(1), version)).toBe('gone')
    expect(await all(store.scan())).toEqual([])
    expect(await all(store.clearExpired({ now: expiresAt + 1 }))).toEqual([])
    expect(await readFile(target, 'utf8')).toContain('genuine')
    expect(lstatSync(path).isSymbolicLink()).toBe(true)
  })

  it('rejects a hard link', async () => {
    const folder = await scratch()
    const store = fileStore(folder)
    await store.insert(idOf(1), record('genuine'))
    const { version } = (await store.read(idOf(1)))!
    // A second name for the file, and this file under the name of another session.
    await link(pathOf(folder, idOf(1)), join(folder, 'copy'))
    expect(await store.read(idOf(1))).toBe(null)
    expect(await store.replace(idOf(1), record('x'), version)).toBe('gone')
    await rm(pathOf(folder, idOf(1)))
    await rename(join(folder, 'copy'), pathOf(folder, idOf(2)))
    expect(await store.read(idOf(2))).toBe(null)
    expect(await readFile(pathOf(folder, idOf(2)), 'utf8')).toContain('genuine')
  })

  it('rejects a folder, a FIFO and a socket without waiting for them', async () => {
    await planted(path => mkdir(path))
    await planted(path => execFileSync('mkfifo', [path]))
    await planted(async path => {
      const server = createServer()
      // The path of a socket is short.
      await new Promise<void>(done => server.listen({ path: path.replace(process.cwd(), '.') }, done))
      server.unref()
    })
  })

  it('rejects a huge file without reading it', async () => {
    await planted(path => execFileSync('truncate', ['-s', '5G', path]))
  })
})

describe('damaged files [F14]', () => {
  it('a file cut anywhere, or with any byte changed, is no session [C32]', async () => {
    const folder = await scratch()
    const store = fileStore(folder)
    await store.insert(idOf(1), record('{"user":"ann"}', 'ann'))
    const path = pathOf(folder, idOf(1))
    const whole = await readFile(path)
    for (let length = 0; length < whole.length; length++) {
      await writeFile(path, whole.subarray(0, length))
      expect(await store.read(idOf(1))).toBe(null)
    }
    for (let at = 0; at < whole.length; at++) {
      const changed = Buffer.from(whole)
      changed[at]! ^= 1 << (at % 8)
      await writeFile(path, changed)
      expect(await store.read(idOf(1))).toBe(null)
    }
    await writeFile(path, Buffer.concat([whole, Buffer.from('x')]))
    expect(await store.read(idOf(1))).toBe(null)
    await writeFile(path, whole)
    expect(await store.read(idOf(1))).toMatchObject(record('{"user":"ann"}', 'ann'))
  })

  it('a file of a later format is left alone [F42]', async () => {
    const folder = await scratch()
    const store = fileStore(folder, { leftOverAge: 0 })
    await store.insert(idOf(1), record('x'))
    await writeFile(pathOf(folder, idOf(1)), 'sess2 whatever comes')
    expect(await store.read(idOf(1))).toBe(null)
    expect(await all(store.clearExpired({ now: expiresAt }))).toEqual([])
    expect(await namesIn(folder)).toEqual([idOf(1)])
  })

  it('what UTF-8 or a number cannot hold is rejected before anything is written [F32]', async () => {
    const folder = await scratch()
    const store = fileStore(folder)
    await expect(store.insert(idOf(1), record('\ud800'))).rejects.toThrow('surrogate')
    await expect(store.insert(idOf(1), record('x', '\udc00'))).rejects.toThrow('surrogate')
    await expect(store.insert(idOf(1), { payload: '', expiresAt: Number.NaN })).rejects.toThrow('expiresAt')
    await expect(store.insert(idOf(1), record('x'.repeat(17 * 1024 * 1024)))).rejects.toThrow('16777216')
    expect(await namesIn(folder)).toEqual([])
    await store.insert(idOf(1), record('x'))
    const { version } = (await store.read(idOf(1)))!
    await expect(store.replace(idOf(1), record('\ud800', 'ann'), version)).rejects.toThrow('surrogate')
    await expect(store.touch(idOf(1), Number.POSITIVE_INFINITY, version)).rejects.toThrow('expiresAt')
    expect(await namesIn(folder)).toEqual([idOf(1)])
  })
})

it('says how much a session may take, so that the engine rejects more before anything is written', async () => {
  const folder = await scratch()
  const store = fileStore(folder)
  const sessions = createSessions<{ text: string }>({ store, maxBytes: 64 * 1024 * 1024 })
  const session = sessions.open()
  session.set('text', 'x'.repeat(store.maxBytes!))
  await expect(async () => sessions.commit(session, { status: 200 })).rejects.toMatchObject({
    code: 'SESSION_DATA',
  })
  expect(await namesIn(folder)).toEqual([])
  const largest = { ...record('é'.repeat(store.maxBytes! / 2), '\u{10ffff}'.repeat(255)) }
  expect(await store.insert(idOf(1), largest)).toBe(true)
})

describe('outages', () => {
  it('a folder that goes missing is an error, not an empty store [F1]', async () => {
    const folder = await scratch()
    const store = fileStore(folder)
    await store.insert(idOf(1), record('x', 'ann'))
    const { version } = (await store.read(idOf(1)))!
    await rename(folder, `${folder}-away`)
    try {
      await expect(store.read(idOf(1))).rejects.toMatchObject({ code: 'ENOENT' })
      await expect(store.read(idOf(9))).rejects.toMatchObject({ code: 'ENOENT' })
      await expect(store.insert(idOf(9), record('x'))).rejects.toMatchObject({ code: 'ENOENT' })
      await expect(store.replace(idOf(1), record('x'), version)).rejects.toMatchObject({ code: 'ENOENT' })
      await expect(store.remove(idOf(1))).rejects.toMatchObject({ code: 'ENOENT' })
      await expect(store.removeBySubject('ann')).rejects.toMatchObject({ code: 'ENOENT' })
      await expect(all(store.scan())).rejects.toMatchObject({ code: 'ENOENT' })
      await expect(all(store.clearExpired())).rejects.toMatchObject({ code: 'ENOENT' })
    } finally {
      await rename(`${folder}-away`, folder)
    }
    expect(await store.read(idOf(1))).toMatchObject(record('x', 'ann'))
  })

  it('goes on after an administrator deleted all sessions by hand', async () => {
    const folder = await scratch()
    const store = fileStore(folder)
    await store.insert(idOf(1), record('x', 'ann'))
    await rm(join(folder, 'sessions', '00'), { recursive: true })
    await rm(join(folder, 'subjects'), { recursive: true })
    expect(await store.read(idOf(1))).toBe(null)
    expect(await store.insert(idOf(1), record('y', 'ann'))).toBe(true)
    expect(await store.removeBySubject('ann')).toBe(1)
  })
})
