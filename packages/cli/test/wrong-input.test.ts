import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import {
  redisCommand,
  requireServer,
  startMariadb,
  startPostgres,
  startRedis,
} from '@sess/test-fixtures/servers'
import { createConnection } from 'mysql2/promise'
import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { importDriver } from '../src/driver.ts'
import { command } from './command.ts'
import { sess, temporaryFolder } from './run.ts'

const folder = temporaryFolder()
const PASSWORD = 'pw-that-nobody-may-see'

/** One sentence or two on stderr, with the remedy, nothing on stdout, and never the password. */
async function refused(code: number, remedy: RegExp, args: string[], env: Record<string, string> = {}) {
  const result = await sess(args, { env, cwd: folder })
  expect(result).toEqual({ code, out: '', err: expect.stringMatching(remedy) })
  expect(result.err).toMatch(/^sess: /)
  expect(result.err).not.toContain(PASSWORD)
  expect(result.err.trim().split('\n').length).toBeLessThanOrEqual(3)
}

describe('a wrong command line', () => {
  test.each<[string[], RegExp]>([
    [['list'], /--store or SESS_STORE/],
    [['list', '--store', 'mongodb://user:pw@host'], /no kind of store "mongodb:".*sqlite:FILE/],
    [['list', '--store', 'sessions.db'], /sqlite:FILE/],
    [['list', '--store', `postgres://u:${PASSWORD}@[`], /URL cannot be read/],
    [['list', '--store', `redis://:${PASSWORD}@h/x`], /number of a database/],
    [['list', '--store', 'sqlite:x', '--prefix', 'a:'], /--prefix is for Redis/],
    [['list', '--store', 'redis://h', '--table', 'a'], /--table is for SQL/],
    [['list', '--store', 'redis://h', '--django'], /--django reads Django's table/],
    [['list', '--store', 'sqlite:x', '--table', 'a"; drop'], /--table must be a letter/],
    [['list', '--store', 'sqlite:x', '--limit', '-1'], /whole number, 0 or more/],
    [['list', '--store', 'sqlite:x', '--where', 'novalue'], /key=value/],
    [['move'], /--from is missing.*SESS_FROM/],
    [['move', '--from', 'file:.'], /--to is missing.*SESS_TO/],
    [
      ['move', '--from', 'mongodb://h', '--to', 'file:.'],
      /^sess: --from: There is no kind of store "mongodb:"/,
    ],
    [['move', '--from', 'file:.', '--to', 'sessions.db'], /^sess: --to: .*sqlite:FILE/],
    [
      ['move', '--from', 'file:.', '--to', 'redis://h', '--to-table', 'a'],
      /--to-table is for SQL\. Use --to-prefix/,
    ],
    [['move', '--from', 'file:.', '--to', 'file:../../tmp/..', '--every', '0'], /30s, 15m, 1h/],
    [['clear-expired', '--every', '0'], /30s, 15m, 1h/],
    [['clear-expired', '--every', '0s'], /30s, 15m, 1h/],
    [['clear-expired', '--every', '99d'], /24d at the most/],
    [['clear-expired', '--batch', '0'], /1 or more/],
    [['lsit'], /Did you mean list/],
    [['list', '--subjet', '1'], /Did you mean --subject/],
    [['show'], /missing required argument 'id'/],
    [['end', '--store', 'sqlite:x'], /Give ids or keys of sessions, or --subject/],
    [['list', '--config', 'nothing.ts'], /no file .*nothing\.ts/],
    [
      ['list', '--user', '1042'],
      /^sess: unknown option '--user'\n\(Did you mean --subject\?\)\n\(sess list --help /,
    ],
    [['end', '--force'], /\(Did you mean --yes\?\)\n\(sess end --help /],
    [['secret', '--user', '1'], /^sess: unknown option '--user'\n/],
    [['list', '--constructor'], /^sess: unknown option '--constructor'\n/],
    [['list', `--stor=redis://:${PASSWORD}@h`], /^sess: unknown option '--stor'\n/],
    [
      ['list', '1042'],
      /list takes no argument, and got 1\.\n\(Did you mean --subject 1042\?\)\n\(sess list --help /,
    ],
    [['list', "o'neil smith"], /Did you mean --subject …\?/],
    [['list', 'sessions.db'], /Did you mean --store sqlite:sessions\.db\?/],
    [
      ['doctor', 'app.sqlite3'],
      /doctor takes no argument, .*\n.* --store sqlite:app\.sqlite3\?\)\n\(sess doctor --help /,
    ],
    [['stats', `redis://:${PASSWORD}@h`], /Did you mean --store …\?/],
    [['stats', 'sess.config.ts'], /Did you mean --config sess\.config\.ts\?/],
    [['stats', '--store', 'sess.config.ts'], /Did you mean --config sess\.config\.ts\?/],
    [['stats', '42'], /^sess: stats takes no argument, and got 1\.\n\(sess stats --help /],
    [['show', 'a', 'b'], /^sess: show takes 1 argument, and got 2\.\n\(sess show --help /],
    [['delete', '42'], /^sess: unknown command 'delete'\n\(Did you mean end\?\)\n\(sess --help /],
    [['revoke'], /Did you mean end\?/],
    [['clear'], /Did you mean clear-expired\?/],
    [['ls'], /Did you mean list\?/],
    [['get', '--help'], /unknown command 'get'\n\(Did you mean show\?\)/],
    [['help', 'lst'], /unknown command 'lst'\n\(Did you mean list\?\)\n\(sess --help /],
    [['lst', '--help'], /unknown command 'lst'\n\(Did you mean list\?\)/],
    [['constructor'], /^sess: unknown command 'constructor'\n/],
    [['--store', 'sqlite:x', 'list'], /^sess: --store goes after the command: sess list --store …\n/],
    [
      [`--store=redis://:${PASSWORD}@h`, 'list'],
      /^sess: --store goes after the command: sess list --store …\n/,
    ],
    [['--django', '-s', 'sqlite:x'], /--django goes after the command: sess COMMAND --django/],
    [[`-sredis://:${PASSWORD}@h`, 'list'], /^sess: -s goes after the command: sess list -s …\n/],
    [[`redis://:${PASSWORD}@h`, 'list'], /^sess: the first word is a command: sess COMMAND --store …\n/],
    [['-s', 'sqlite:x', 'show', 'abc'], /-s goes after the command: sess show -s …/],
    [['--nonsense', 'list'], /^sess: unknown option '--nonsense'\n/],
    [
      ['list', '--store', 'sqlite:'],
      /^sess: --store: the file name is missing\. Write sqlite:sessions\.db\.$/m,
    ],
    [['list', '--store', 'sqlite://'], /the file name is missing/],
    [['list', '--store', 'file:'], /the name of the folder is missing\. Write file:sessions\.$/m],
    [['list', '--store', 'file://'], /the name of the folder is missing/],
    [['move', '--from', 'sqlite:', '--to', 'file:.'], /^sess: --from: the file name is missing/],
  ])('%j is 2', (args, remedy) => refused(2, remedy, args))

  test('the name of a file or folder that is there gets the word that --store needs before it', async () => {
    writeFileSync(join(folder, 'plain'), '')
    mkdirSync(join(folder, 'plain-folder'))
    await refused(2, /Did you mean --store sqlite:plain\?/, ['list', '--store', 'plain'])
    await refused(2, /Did you mean --store file:\.\/plain-folder\?/, ['list', '--store', './plain-folder'])
    await refused(2, /Did you mean --store sqlite:plain\?/, ['list', 'plain'])
    await refused(2, /^sess: --to: .*Did you mean --to sqlite:plain\?/, [
      'move',
      '--from',
      'file:.',
      '--to',
      'plain',
    ])
  })

  test.each([
    'migrate',
    'clear-expired',
    'list',
    'show',
    'end',
    'stats',
    'move',
    'doctor',
    'decode',
    'secret',
  ])('%s --help has examples, and is 0', async name => {
    const { code, out, err } = await sess([name, '--help'])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/Examples:\n {2}\$ /)
  })

  test('the help and the README name the same exit codes, with an answer of no and what Ctrl-C ends', async () => {
    const { out } = await sess(['--help'])
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
    for (const text of [out, readme]) {
      const plain = text.replace(/\s+/g, ' ')
      expect(plain).toContain('or answered with no')
      expect(plain).toContain('130')
      expect(plain).toMatch(/`?inspect`? and `?--every`? end with 0/)
    }
  })

  test('sess alone prints the help, and is 2', async () => {
    const { code, err } = await sess([])
    expect(code).toBe(2)
    expect(err).toContain('clear-expired')
  })
})

describe('a store that cannot be used', () => {
  const nowhere = '127.0.0.1:1'
  test.each(['postgres', 'mysql', 'redis'])('a dead %s server is 3', kind =>
    refused(3, /cannot be reached \(ECONNREFUSED\).*--store/, ['list'], {
      SESS_STORE: `${kind}://u:${PASSWORD}@${nowhere}/0`,
    }),
  )

  test.each(['postgres', 'mysql', 'redis'])('an unknown host name of %s is 3', kind =>
    refused(3, /host name .*(ENOTFOUND|EAI_AGAIN).*Correct it in --store/, ['list'], {
      SESS_STORE: `${kind}://u:${PASSWORD}@nosuch.invalid/0`,
    }),
  )

  test.each(['from', 'to'])('of the two stores of a move, the dead one is named: --%s', side =>
    refused(3, new RegExp(`^sess: The store cannot be reached \\(ECONNREFUSED\\).*--${side}\\.`), ['move'], {
      SESS_FROM: `file:${folder}`,
      SESS_TO: `file:${folder}`,
      [`SESS_${side.toUpperCase()}`]: `redis://u:${PASSWORD}@${nowhere}/0`,
    }),
  )

  test('a move from a store to itself, from a missing table, or between keys and hashes changes nothing', async () => {
    const file = join(folder, 'same.db')
    await sess(['migrate', '--store', `sqlite:${file}`])
    await sess(['migrate', '--store', `sqlite:${file}`, '--django'])
    symlinkSync(file, join(folder, 'other-name.db'))
    const move = (to: string, ...more: string[]) => ['move', '--from', `sqlite:${file}`, '--to', to, ...more]
    await refused(2, /are the same store/, move(`sqlite:${join(folder, 'other-name.db')}`))
    await refused(
      1,
      /no table "nope".*Correct --to-table, or .*`sess migrate --store …`/,
      move(`sqlite:${file}`, '--to-table', 'nope'),
    )
    await refused(3, /sess migrate/, move(`sqlite:${join(folder, 'not-there.db')}`))
    writeFileSync(
      join(folder, 'django.config.ts'),
      `import { sqliteStore } from '${new URL('../../store-sql/src/index.ts', import.meta.url).pathname}'
       export default { store: sqliteStore('${file}', { table: 'django_session', subject: false }), hashKeys: false }`,
    )
    await refused(2, /under session keys.*under hashes/, move('django.config.ts'))
    await refused(
      2,
      /no terminal to ask on.*--yes/,
      move(`sqlite:${file}`, '--to-table', 'django_session', '--finish'),
    )
    const list = await sess(['list', '--json', '--store', `sqlite:${file}`])
    expect(list).toMatchObject({ code: 0, out: '[]\n' })
  })

  test('a missing table is 1, a table of something else too, and a file that is no database', async () => {
    const file = join(folder, 'other.db')
    const db = new DatabaseSync(file)
    db.exec('create table sessions (id integer)')
    db.close()
    const store = ['--store', `sqlite:${file}`]
    await refused(1, /no table "nope".*Correct --table, or .*`sess migrate`/, [
      'list',
      ...store,
      '--table',
      'nope',
    ])
    await refused(1, /no column "session_key"/, ['list', ...store])
    writeFileSync(join(folder, 'text.db'), 'this is no database, but a text that is long enough. '.repeat(20))
    await refused(1, /no SQLite database/, ['list', '--store', `sqlite:${join(folder, 'text.db')}`])
    await refused(2, /is a folder/, ['list', '--store', `sqlite:${folder}`])
  })

  test('an id that is nobody is 1, and what is no id 2', async () => {
    const store = ['--store', `sqlite:${join(folder, 'empty.db')}`]
    await sess(['migrate', ...store])
    await refused(1, /no live session of this id.*sess list/, ['show', 'a'.repeat(40), ...store])
    await refused(1, /no live session of this key.*--cookie-name/, ['end', 'a'.repeat(32), '--yes', ...store])
    await refused(1, /no such subject.*sess list/, ['end', '--subject', '42', '--yes', ...store])
    await refused(1, /there was none/, ['show', 'a'.repeat(40), ...store])
    await refused(2, /neither an id.*`sess list --subject 1042`/, ['show', '1042', ...store])
    await refused(2, /neither an id.*`sess end --subject 1042`/, ['end', '1042', '--yes', ...store])
    for (const [command, beginning] of [
      ['show', 'c'.repeat(12)],
      ['end', 'c'.repeat(39)],
    ] as const) {
      const remedy = /If it is the beginning of an id, give all 40 characters, as `sess list` shows them\./
      await refused(
        2,
        remedy,
        [command, beginning, '--yes', ...store].filter(word => command === 'end' || word !== '--yes'),
      )
    }
  })

  test('a file, or a folder, without permission is 3', async () => {
    const closed = join(folder, 'closed')
    mkdirSync(closed)
    const store = ['--store', `sqlite:${join(closed, 'sessions.db')}`]
    await sess(['migrate', ...store])
    // Root may read everything, so there another user asks.
    const root = process.getuid?.() === 0
    const ask = () =>
      spawnSync(process.execPath, [command, 'list', ...store], {
        encoding: 'utf8',
        cwd: '/',
        ...(root && { uid: 65_534, gid: 65_534 }),
      })
    chmodSync(folder, 0o755)
    chmodSync(closed, root ? 0o755 : 0o700)
    if (!root) chmodSync(join(closed, 'sessions.db'), 0)
    const denied = { status: 3, stdout: '', stderr: expect.stringContaining('Permission denied') }
    expect(ask()).toMatchObject(denied)
    chmodSync(closed, root ? 0o700 : 0)
    expect(ask()).toMatchObject(denied)
    chmodSync(closed, 0o700)
  })

  test.runIf(requireServer('postgres'))('PostgreSQL: no database, no user, no permission are 3', async () => {
    const server = await startPostgres()
    try {
      await sess(['migrate', '--store', server.url])
      const admin = new pg.Client(server.url)
      await admin.connect()
      await admin.query('create role guest login')
      await admin.end()
      const guest = server.url.replace('postgres@', 'guest@')
      await refused(3, /Permission denied.*grant/, ['list', '--store', guest])
      await refused(3, /no such database/, ['list', '--store', server.url.replace(/postgres$/, 'nowhere')])
      await refused(3, /user and password|Correct/, [
        'list',
        '--store',
        server.url.replace('postgres@', 'stranger@'),
      ])
    } finally {
      await server.stop()
    }
  })

  test.runIf(requireServer('mariadb'))('MariaDB: a wrong password and no database are 3', async () => {
    const server = await startMariadb()
    try {
      await refused(3, /user and password/, [
        'list',
        '--store',
        server.url.replace('root@', `root:${PASSWORD}@`),
      ])
      await refused(3, /no such database/, ['list', '--store', server.url.replace(/sess$/, 'nowhere')])
      await refused(1, /no table "sessions".*sess migrate/, ['list', '--store', server.url])
      await sess(['migrate', '--store', server.url])
      const admin = await createConnection(server.url)
      await admin.query("create user guest@'%'")
      await admin.query("grant insert on sess.sessions to guest@'%'")
      await admin.end()
      const guest = server.url.replace('root@', 'guest@')
      await refused(3, /Permission denied.*grant/, ['stats', '--store', guest])
    } finally {
      await server.stop()
    }
  })

  test.runIf(requireServer('redis'))('Redis: a wrong password and no permission are 3', async () => {
    const server = await startRedis()
    try {
      await redisCommand(
        server.port,
        'ACL',
        'SETUSER',
        'guest',
        'on',
        '>open',
        '~*',
        '+info',
        '+ping',
        '+client',
      )
      await redisCommand(server.port, 'CONFIG', 'SET', 'requirepass', 'right')
      const at = (login: string) => ['list', '--store', server.url.replace('redis://', `redis://${login}@`)]
      await refused(3, /user and password/, at(`:${PASSWORD}`))
      await refused(3, /user and password/, ['list', '--store', server.url])
      await refused(3, /Permission denied.*grant/, at('guest:open'))
    } finally {
      await server.stop()
    }
  })
})

describe('a config module', () => {
  const config = (text: string): string => {
    const name = `config-${Math.random().toString(36).slice(2)}.ts`
    writeFileSync(join(folder, name), text)
    return name
  }
  const packages = new URL('../..', import.meta.url).pathname
  const core = `${packages}core/src/index.ts`
  const cache = `${packages}store-cache/src/index.ts`

  test.each<[string, string, string[], RegExp]>([
    ['without a store', 'export default { age: 60 }', ['list'], /exports no store/],
    ['that throws', "throw new Error('no DATABASE_URL')", ['list'], /cannot be loaded: no DATABASE_URL/],
    [
      'with an engine for cookie sessions',
      `import { createSessions } from '${core}'\nimport { encryptedCookieStore } from '${packages}store-cookie/src/index.ts'\nexport default createSessions({ store: encryptedCookieStore(), secret: '0123456789abcdefghijklmnopqrstuv' })`,
      ['list'],
      /in the browsers alone.*sess decode/,
    ],
    [
      'with a store that cannot scan',
      `import { cacheStore } from '${cache}'\nconst { scan, ...store } = cacheStore()\nexport default store`,
      ['stats'],
      /no scan\(\), which `sess stats` needs/,
    ],
    [
      'with a cookie store',
      `import { encryptedCookieStore } from '${packages}store-cookie/src/index.ts'\nexport const store = encryptedCookieStore()`,
      ['list'],
      /in the browsers alone.*sess decode/,
    ],
    [
      'with a cookie store, which has nothing to move',
      `import { encryptedCookieStore } from '${packages}store-cookie/src/index.ts'\nexport const store = encryptedCookieStore()`,
      ['move', '--to', 'file:.'],
      /--from: .* is a cookie store.*in the browsers alone.*adopt/,
    ],
  ])('%s is 2', (_, text, args, remedy) =>
    refused(2, remedy, [...args, args[0] === 'move' ? '--from' : '--config', config(text)]),
  )

  test('gives the codec, the cookie name and the hooks of the application', async () => {
    mkdirSync(join(folder, 'app'))
    writeFileSync(
      join(folder, 'app/sess.config.ts'),
      `import { createSessions } from '${core}'
       import { rich } from '${packages}core/src/rich.ts'
       import { cacheStore } from '${cache}'
       const options = { store: cacheStore(), codec: rich(), cookie: { name: 'sid' } }
       const session = createSessions({ ...options, random: size => new Uint8Array(size) }).open()
       await session.load()
       session.set('since', new Date(0))
       session.subject = 42
       await session.save()
       export default options`,
    )
    // Zeros as random bytes make this key.
    const { code, out, err } = await sess(['show', 'a'.repeat(32), '--json'], { cwd: join(folder, 'app') })
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(JSON.parse(out)).toMatchObject({ subject: '42', data: { since: '1970-01-01T00:00:00.000Z' } })
  })

  test.each(['list', 'stats'])('Ctrl-C ends %s, which then shows what it has seen', async command => {
    const path = config(
      `import { setTimeout as sleep } from 'node:timers/promises'
       import { cacheStore } from '${cache}'
       async function* scan(context) {
         for (let at = 0; at < 1000; at++) {
           await sleep(5)
           if (at === 3) globalThis.scanBegun()
           context?.signal?.throwIfAborted()
           yield { id: String(at).padStart(40, '0'), payload: '{}', version: '1', expiresAt: 4e12 }
         }
       }
       export default { ...cacheStore(), scan }`,
    )
    const interrupt = new Promise(resolve => Object.assign(globalThis, { scanBegun: resolve }))
    const { code, out } = await sess([command, '--config', path], { cwd: folder, interrupt })
    expect(code).toBe(130)
    expect(out).toMatch(/0{37}|live sessions +\d/)
  })

  test('with an engine shows all of its sessions, and ends them by it, so that its hooks run', async () => {
    const path = config(
      `import { createSessions } from '${core}'
       import { rich } from '${packages}core/src/rich.ts'
       import { cacheStore } from '${cache}'
       import { writeFileSync } from 'node:fs'
       const sessions = createSessions({
         store: cacheStore(),
         codec: rich(),
         cookie: { name: 'sid' },
         random: size => new Uint8Array(size),
         hooks: { destroyed: () => writeFileSync('${folder}/destroyed', 'yes') },
       })
       const session = sessions.open()
       await session.load()
       session.subject = 42
       session.set('since', new Date(0))
       await session.save()
       export default sessions`,
    )
    const json = async (...args: string[]) =>
      JSON.parse((await sess([...args, '--json', '--config', path], { cwd: folder })).out)
    for (const subject of [[], ['--subject', '42']]) expect(await json('list', ...subject)).toHaveLength(1)
    const [{ id, lastSeenAt }] = await json('list')
    expect(lastSeenAt).toMatch(/^\d{4}-/)
    expect(await json('show', id)).toMatchObject({ data: { since: '1970-01-01T00:00:00.000Z' } })
    expect(await json('stats')).toMatchObject({ live: 1 })
    const end = (name: string) => sess(['end', name, '--yes', '--config', path], { cwd: folder })
    expect(await end('b'.repeat(32))).toMatchObject({ code: 1 })
    expect(await end('a'.repeat(32))).toMatchObject({ code: 0, out: 'Ended 1 session.\n', err: '' })
    expect(existsSync(join(folder, 'destroyed'))).toBe(true)
  })
})

test('a driver that is not installed is 2, and the message says how to install it', async () => {
  await expect(importDriver('no-such-driver', folder)).rejects.toMatchObject({
    exitCode: 2,
    message: expect.stringContaining('npm install no-such-driver'),
  })
})
