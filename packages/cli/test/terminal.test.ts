import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileStore } from '@sess/store-file'
import { beforeEach, describe, expect, test } from 'vitest'
import { plant, sess, temporaryFolder } from './run.ts'
import { inTerminal } from './terminal.ts'

const folder = temporaryFolder()
let file: string
let env: Record<string, string>
let count = 0

beforeEach(async () => {
  file = join(folder, `${count++}.db`)
  env = { SESS_STORE: `sqlite:${file}` }
  await sess(['migrate'], { env })
})

/** One session in a folder, because a process that needs no SQL starts in half the time. */
async function plantOne(): Promise<string> {
  const place = join(folder, `${count}-files`)
  env = { SESS_STORE: `file:${place}` }
  const [key] = await plant({ store: fileStore(place) }, [{ data: { a: 1 }, subject: 42 }])
  return key!
}

function plantExpired(rows: number): void {
  const db = new DatabaseSync(file)
  db.exec(`insert into sessions (session_key, session_data, expire_date)
    with recursive n(i) as (select 1 union all select i + 1 from n where i < ${rows})
    select printf('%040x', i), '{}', '2020-01-01 00:00:00' from n`)
  db.close()
}

function expired(): number {
  const db = new DatabaseSync(file, { readOnly: true })
  const row = db.prepare("select count(*) as n from sessions where expire_date < '2021-01-01 00:00:00'").get()
  db.close()
  return Number(row!['n'])
}

const isLive = async (key: string) => (await sess(['show', key], { env })).code === 0

describe('in a terminal', () => {
  test('end asks, and does nothing unless the answer is yes', async () => {
    const key = await plantOne()
    const no = await inTerminal(['end', key], env, [{ when: '(y/N)', type: 'n\r' }])
    expect(no.screen).toContain('End the session of subject 42')
    expect(no.code).toBe(1)
    expect(await isLive(key)).toBe(true)

    const stopped = await inTerminal(['end', key], env, [{ when: '(y/N)', type: '\u0003' }])
    expect(stopped.code).toBe(130)
    expect(await isLive(key)).toBe(true)

    const yes = await inTerminal(['end', '--subject', '42'], env, [{ when: '(y/N)', type: 'y\r' }])
    expect(yes.screen).toContain('Ended 1 session.')
    expect(yes.code).toBe(0)
    expect(await isLive(key)).toBe(false)
  })

  test('clear-expired shows a progress bar that reaches the end', async () => {
    plantExpired(2_000)
    const { code, screen } = await inTerminal(['clear-expired'], env)
    expect(code).toBe(0)
    expect(screen).toContain('█')
    expect(screen).toContain('2,000 of 2,000 expired sessions removed')
    expect(screen).toContain('Removed 2,000 expired sessions.')
    // The cursor is shown again.
    expect(screen.lastIndexOf('\u001b[?25h')).toBeGreaterThan(screen.lastIndexOf('\u001b[?25l'))
    expect(expired()).toBe(0)
  })

  test('Ctrl-C ends clear-expired after the batch that is under way, and the next run does the rest', async () => {
    plantExpired(20_000)
    const { code, screen } = await inTerminal(['clear-expired', '--batch', '100'], env, [
      { when: '0 of 20,000', type: '\u0003' },
    ])
    expect(code).toBe(130)
    const [, removed = ''] = /Stopped: removed ([\d,]+) expired/.exec(screen) ?? []
    const left = expired()
    expect(Number(removed.replaceAll(',', '')) + left).toBe(20_000)
    expect(left % 100).toBe(0)
    expect(left).toBeGreaterThan(0)
    expect(await sess(['clear-expired', '--quiet'], { env })).toEqual({ code: 0, out: '', err: '' })
    expect(expired()).toBe(0)
  })

  test('move shows how far it is, stops at Ctrl-C, continues, and asks before it empties the old store', async () => {
    const db = new DatabaseSync(file)
    db.exec(`insert into sessions (session_key, session_data, expire_date)
      with recursive n(i) as (select 1 union all select i + 1 from n where i < 96)
      select printf('%040x', i), '{}', '2199-01-01 00:00:00' from n`)
    db.close()
    const to = `sqlite:${file}.new`
    await sess(['migrate', '--store', to])
    const both = { SESS_FROM: `sqlite:${file}`, SESS_TO: to }
    const count = async (store: string) =>
      JSON.parse((await sess(['list', '--json', '--limit', '0', '--store', store])).out).length

    const stopped = await inTerminal(['move'], both, [{ when: '0 of 96', type: '\u0003' }])
    expect(stopped.code).toBe(130)
    expect(stopped.screen).toContain('█')
    expect(stopped.screen).toContain('Stopped. Run it again for the rest.')
    expect(await count(to)).toBeLessThan(96)
    expect(await sess(['move'], { env: both })).toMatchObject({ code: 0 })
    expect(await count(to)).toBe(96)

    const no = await inTerminal(['move', '--finish'], both, [{ when: '(y/N)', type: 'n\r' }])
    expect(no).toMatchObject({ code: 1, screen: expect.stringContaining('Nothing was done.') })
    expect(await count(`sqlite:${file}`)).toBe(96)
    const yes = await inTerminal(['move', '--finish'], both, [{ when: '(y/N)', type: 'y\r' }])
    expect(yes).toMatchObject({ code: 0, screen: expect.stringContaining('Done: 96 sessions moved') })
    expect([await count(`sqlite:${file}`), await count(to)]).toEqual([0, 96])
  })

  test('the list says its order there, and has colours, and none with NO_COLOR', async () => {
    await plantOne()
    const one = (await inTerminal(['list'], env)).screen
    expect(one).toContain('\u001b[1m')
    expect(one).not.toContain('first')
    await plantOne()
    expect((await inTerminal(['list'], env)).screen).toContain('2 live sessions, newest first.')
    expect((await inTerminal(['list'], { ...env, NO_COLOR: '1' })).screen).not.toContain('\u001b[')
  })
})

describe('without a terminal', () => {
  test('clear-expired --json prints a line for each batch, and Ctrl-C ends it between two', async () => {
    plantExpired(1_000)
    let seen = 0
    const { code, out } = await sess(['clear-expired', '--json', '--batch', '100'], {
      env,
      onOut: (_, interrupt) => {
        if (++seen === 2) interrupt()
      },
    })
    expect(code).toBe(130)
    const lines = out
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(lines.at(-1)).toEqual({ removed: 1_000 - expired(), done: false })
    expect(expired()).toBeGreaterThan(0)
  })

  test('clear-expired --every stays, survives an outage, clears again, and ends with 0', async () => {
    plantExpired(3)
    let turn = 0
    const { code, out, err } = await sess(['clear-expired', '--every', '1s'], {
      env,
      onOut: (_, interrupt) => {
        turn += 1
        if (turn === 1) {
          plantExpired(5)
          renameSync(file, `${file}.away`)
        }
        if (turn === 2) interrupt()
      },
      onErr: () => renameSync(`${file}.away`, file),
    })
    expect(code).toBe(0)
    expect(out).toBe('Removed 3 expired sessions.\nRemoved 5 expired sessions.\n')
    expect(err).toMatch(/^sess: There is no file .* Trying again later\.\n$/)
  })
})
