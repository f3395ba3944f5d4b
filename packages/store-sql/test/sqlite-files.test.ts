/** A user who can write the database can forge sessions, and one who can read it sees their data [C24, F36, M7]. */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test, vi } from 'vitest'
import { sqliteStore } from '../src/index.ts'

const ID = 'a'.repeat(40)
const record = () => ({ payload: 'x', expiresAt: Date.now() + 3_600_000 })

function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sess-files-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function expectRefusal(name: string, remedy: string): void {
  expect(() => sqliteStore(name)).toThrow(
    expect.objectContaining({ code: 'CONFIG', option: 'database', message: expect.stringContaining(remedy) }),
  )
}

/** What is in the folder, with its mode. */
function modes(folder: string, ...names: string[]): string[] {
  return names.map(name => `${name} ${(lstatSync(join(folder, name)).mode & 0o777).toString(8)}`)
}

test.each([
  ['a path', (file: string) => file],
  ['a file: URI', (file: string) => `file:${file}`],
  ['a file: URI with an authority', (file: string) => `file://localhost${file}?cache=private`],
  ['a file: URI with escapes', (file: string) => `file:${file.replace('.db', '%2edb')}#part`],
])('%s: the files are made for their owner alone, whatever the umask', (_, nameOf) => {
  const folder = tempFolder()
  const before = process.umask(0)
  onTestFinished(() => void process.umask(before))
  const store = sqliteStore(nameOf(join(folder, 's.db')))
  store.insert(ID, record())
  expect(modes(folder, 's.db', 's.db-wal', 's.db-shm')).toEqual(['s.db 600', 's.db-wal 600', 's.db-shm 600'])
  store.close()
})

test.each([0o666, 0o644, 0o660, 0o602])('a database that others may use is rejected: mode %i', mode => {
  const file = join(tempFolder(), 's.db')
  sqliteStore(file).close()
  chmodSync(file, mode)
  expectRefusal(file, `chmod go= ${file}*`)
  expectRefusal(`file:${file}?mode=rw`, 'chmod go=')
  chmodSync(file, 0o600)
  sqliteStore(file).close()
})

test.each(['-wal', '-shm', '-journal'])('a file %s that others may write is rejected', suffix => {
  const file = join(tempFolder(), 's.db')
  sqliteStore(file).close()
  writeFileSync(file + suffix, '')
  chmodSync(file + suffix, 0o666)
  expectRefusal(file, 'chmod go=')
})

test('a database of another user is rejected', () => {
  const file = join(tempFolder(), 's.db')
  sqliteStore(file).close()
  const me = process.geteuid!()
  vi.spyOn(process, 'geteuid').mockReturnValue(me + 4711)
  onTestFinished(() => void vi.restoreAllMocks())
  expectRefusal(file, 'chown')
})

test.each(['', '-wal'])(
  'a link in place of the file s.db%s is rejected, and nothing is made behind it',
  suffix => {
    const folder = tempFolder()
    const file = join(folder, 's.db')
    if (suffix) sqliteStore(file).close()
    symlinkSync(join(folder, 'elsewhere'), file + suffix)
    expectRefusal(file, 'link')
    expect(existsSync(join(folder, 'elsewhere'))).toBe(false)
    sqliteStore(join(folder, 'real.db')).close()
    rmSync(file + suffix)
    symlinkSync(join(folder, 'real.db'), file + suffix)
    expectRefusal(file, 'link')
  },
)

test('a folder in which everybody may put files is rejected, and not if it is like /tmp', () => {
  const folder = join(tempFolder(), 'open')
  mkdirSync(folder)
  chmodSync(folder, 0o777)
  expectRefusal(join(folder, 's.db'), 'chmod o-w')
  chmodSync(folder, 0o1777)
  sqliteStore(join(folder, 's.db')).close()
})

test('databases in memory have no file', () => {
  const folder = tempFolder()
  for (const name of [
    ':memory:',
    'file::memory:',
    `file:${folder}/m.db?mode=memory`,
    `file:${folder}/m.db?vfs=memdb`,
  ]) {
    const store = sqliteStore(name)
    expect(store.insert(ID, record())).toBe(true)
    store.close()
  }
  expect(existsSync(join(folder, 'm.db'))).toBe(false)
})

test('a file: URI that opens only what is there makes no file', () => {
  const folder = tempFolder()
  const uri = `file:${folder}/s.db?mode=rw`
  expectRefusal(uri, 'cannot open')
  expect(existsSync(join(folder, 's.db'))).toBe(false)
  sqliteStore(join(folder, 's.db')).close()
  sqliteStore(uri).close()
})

test('a database that was handed in is the business of who opened it', () => {
  const folder = tempFolder()
  const file = join(folder, 's.db')
  const db = new DatabaseSync(file)
  onTestFinished(() => db.close())
  chmodSync(file, 0o644)
  expect(sqliteStore(db).insert(ID, record())).toBe(true)
})
