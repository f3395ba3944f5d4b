import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { requireServer, startMariadb, startPostgres } from '@sess/test-fixtures/servers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sess, temporaryFolder } from './run.ts'

const SECRET = 'live-Zk3vQ9nW1rT7yB5mX8cL2pD6sF4hJ0gA'
const python = process.env['PYTHON_DJANGO'] ?? '/usr/bin/python3'
const there = spawnSync(python, ['-c', 'import django, psycopg2, MySQLdb']).status === 0
if (!there) {
  const problem = `${python} has no Django with drivers: apt-get install python3-django python3-psycopg2 python3-mysqldb, or say where it is in PYTHON_DJANGO`
  if (process.env['SESS_REQUIRE_SERVERS'] === '1') throw new Error(problem)
  console.warn(`SKIPPED, the table of a live Django: ${problem}`)
}

/** A site's `manage.py`, with its settings. */
const MANAGE = `import sys
from django.conf import settings
from django.core.management import execute_from_command_line
settings.configure(SECRET_KEY=${JSON.stringify(SECRET)})
execute_from_command_line(sys.argv)
`

const folder = temporaryFolder()
const database = join(folder, 'db.sqlite3')

const databases: Record<string, () => Promise<{ url: string; stop(): Promise<unknown> }>> = {
  SQLite: async () => ({ url: `sqlite:${database}`, stop: async () => undefined }),
  PostgreSQL: startPostgres,
  MariaDB: startMariadb,
}
const usable = Object.keys(databases).filter(
  name => there && (name === 'SQLite' || requireServer(name === 'PostgreSQL' ? 'postgres' : 'mariadb')),
)

describe.each(usable)('the table of a live Django on %s', name => {
  const env = { SESS_STORE: '' }
  let server: { url: string; stop(): Promise<unknown> }
  let site: ChildProcess
  let answers: AsyncIterator<string>
  async function ask<T>(op: string, value?: unknown): Promise<T> {
    site.stdin?.write(`${JSON.stringify({ op, value })}\n`)
    const { value: line, done } = await answers.next()
    if (done) throw new Error('Django ended; see the error above.')
    return JSON.parse(line) as T
  }
  const django = (...args: string[]) => sess([...args, '--django'], { env })
  let keys: string[]
  beforeAll(async () => {
    server = await databases[name]!()
    env.SESS_STORE = server.url
    const script = new URL('django_site.py', import.meta.url).pathname
    site = spawn(python, [script, SECRET, server.url], { stdio: ['pipe', 'pipe', 'inherit'] })
    answers = createInterface({ input: site.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
    keys = [
      await ask<string>('create', { _auth_user_id: '7', _auth_user_hash: 'f'.repeat(64), cart: ['é', 1.5] }),
      await ask<string>('create', { _auth_user_id: '7', long: 'compress me '.repeat(100) }),
      await ask<string>('create', { note: 'nobody' }),
      await ask<string>('create', { note: 'old', expiry: -5 }),
    ]
  })
  afterAll(async () => {
    site.stdin?.end()
    if (site.exitCode === null) await once(site, 'exit')
    await server.stop()
  })

  test('list names the keys and users that a SELECT shows, and show what get_decoded() returns', async () => {
    const list = JSON.parse((await django('list', '--json')).out)
    expect(list.map((each: { id: string }) => each.id).sort()).toEqual(keys.slice(0, 3).sort())
    // A SELECT shows the expired one, too.
    expect((await ask<string[]>('select')).sort()).toEqual([...keys].sort())
    expect(JSON.parse((await django('list', '--subject', '7', '--json')).out)).toHaveLength(2)
    for (const key of keys.slice(0, 3)) {
      const { out, code } = await django('show', key, '--json', '--reveal')
      expect(code).toBe(0)
      expect(JSON.parse(out)).toMatchObject({ data: await ask('decoded', key), signatureChecked: false })
      const checked = await sess(['show', key, '--django', '--json', '--reveal'], {
        env: { ...env, SESS_SECRET: SECRET },
      })
      expect(JSON.parse(checked.out)).not.toHaveProperty('signatureChecked')
    }
    const { out } = await django('show', keys[0]!, '--json')
    expect(JSON.parse(out).data).toMatchObject({ _auth_user_id: '7', _auth_user_hash: '••••••' })
  })

  test('a wrong SECRET_KEY is told, and nothing of the data is shown', async () => {
    const env2 = { ...env, SESS_SECRET: 'not the one of this site' }
    const { code, out, err } = await sess(['show', keys[2]!, '--django'], { env: env2 })
    expect(code).toBe(1)
    expect(err).toMatch(/not signed with this secret.*SECRET_KEY in SESS_SECRET/)
    expect(out + err).not.toContain('nobody')
  })

  test('nothing but end and clear-expired changes the table', async () => {
    const before = await ask('schema')
    for (const command of [['list'], ['stats'], ['migrate', '--dry-run'], ['migrate']]) {
      expect(await django(...command)).toMatchObject({ code: 0, err: '' })
    }
    expect(await ask('schema')).toEqual(before)
    if (name === 'SQLite') {
      const db = new DatabaseSync(database, { readOnly: true })
      expect(db.prepare('pragma journal_mode').get()).toEqual({ journal_mode: 'delete' })
      db.close()
    }
    expect(await ask('keys')).toEqual([...keys].sort())
  })

  test('clearsessions removes what clearsessions of Django would, and end logs out', async () => {
    expect(await django('clearsessions')).toMatchObject({ code: 0, out: 'Removed 1 expired session.\n' })
    expect(await ask('keys')).toEqual(keys.slice(0, 3).sort())
    expect(await django('end', keys[2]!, '--yes')).toMatchObject({ code: 0, out: 'Ended 1 session.\n' })
    expect(await ask('exists', keys[2])).toBe(false)
    expect(await django('end', '--subject', '7', '--yes')).toMatchObject({
      code: 0,
      out: 'Ended 2 sessions.\n',
    })
    expect(await ask('keys')).toEqual([])
  })

  test('sess move takes the sessions of Django to another table, where Django finds them', async () => {
    const key = await ask<string>('create', { _auth_user_id: '9', moved: true })
    const other = join(folder, `${name}.sqlite3`)
    const moved = { SESS_FROM: server.url, SESS_TO: `sqlite:${other}` }
    await sess(['migrate', '--django', '--store', moved.SESS_TO])
    expect(await sess(['move', '--django', '--quiet'], { env: moved })).toEqual({ code: 0, out: '', err: '' })
    const { out } = await sess(['show', key, '--django', '--json', '--store', moved.SESS_TO], {
      env: { SESS_SECRET: SECRET },
    })
    expect(JSON.parse(out)).toMatchObject({ subject: '9', data: { moved: true } })
    expect(await sess(['move', '--django', '--finish', '--yes', '--quiet'], { env: moved })).toMatchObject({
      code: 0,
    })
    expect(await ask('keys')).toEqual([])
    const list = await sess(['list', '--django', '--json', '--store', moved.SESS_TO])
    expect(JSON.parse(list.out).map((each: { id: string }) => each.id)).toEqual([key])
  })

  // The page is written for one database. The other tests show the differences between databases.
  if (name === 'SQLite')
    test('every command of the page about Django sessions runs as it is written', async () => {
      const text = readFileSync(
        new URL('../../../docs/look-into-a-django-session.md', import.meta.url),
        'utf8',
      )
      const blocks = [...text.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block!)
      const table = [...text.matchAll(/\| `(sess [^`]+)` \|/g)].map(([, command]) => command!)
      const key = await ask<string>('create', { _auth_user_id: '8', of: 'page' })
      await ask('create', { _auth_user_id: '8', another: true })
      await ask('create', { note: 'old', expiry: -5 })
      const payload = await ask<string>('payload', key)
      const run = (command: string, stored = { ...env }) => {
        const args = command
          .replace(/ #.*/, '')
          .replace(/^(npx )?sess /, '')
          .replace('KEY', key)
          .replace('USER_ID', '8')
        return sess(args.replace(/'[^']+…'/, payload).split(' '), { env: stored, cwd: folder })
      }
      const [start, check, decode, ...rest] = blocks
      expect(rest).toEqual([])

      const [, exported = ''] = /^export SESS_STORE=(\S+)/m.exec(start!)!
      const listed = await run(/^npx sess.*/m.exec(start!)![0], { SESS_STORE: exported })
      expect(listed).toMatchObject({ code: 0, out: expect.stringContaining(key) })

      // The lines for the shell: `npx sess` is this command, and `manage.py` that of a site.
      writeFileSync(join(folder, 'manage.py'), MANAGE)
      const shell = spawnSync(
        'sh',
        [
          '-euc',
          `npx() { shift; printf '%s\\n' "$SESS_SECRET" "$@"; }\npython() { ${python} "$@"; }\n${check}`,
        ],
        {
          cwd: folder,
          encoding: 'utf8',
        },
      )
      expect(shell.stderr).toBe('')
      const [secret, ...args] = shell.stdout.trimEnd().split('\n')
      expect(secret).toBe(SECRET)
      const shown = await run(`sess ${args.join(' ')}`, { ...env, SESS_SECRET: secret } as typeof env)
      expect(shown).toMatchObject({ code: 0, err: '', out: expect.stringContaining('"of": "page"') })

      const decoded = await run(decode!.trim())
      expect(decoded).toMatchObject({ code: 0, out: expect.stringContaining('"of": "page"') })

      const outputs: string[] = []
      for (const command of table) {
        const { code, out, err } = await run(/^sess end/.test(command) ? `${command} --yes` : command)
        expect([command, code, err.replace(/The signature was not checked.*\n/, '')]).toEqual([
          command,
          0,
          '',
        ])
        outputs.push(out)
      }
      expect(outputs).toEqual([
        expect.stringContaining(key),
        expect.stringContaining('"of": "page"'),
        'Removed 1 expired session.\n',
        'Ended 1 session.\n',
        'Ended 1 session.\n',
      ])
      expect(await ask('keys')).toEqual([])
    })

  test('without --django the message says to add it', async () => {
    const { code, err } = await sess(['list'], { env })
    expect(code).toBe(1)
    expect(err).toContain('--django')
  })
})
