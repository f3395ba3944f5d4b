import { fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { fileStore } from '../src/index.ts'
import { killLoop } from './helpers/kill-loop.ts'

it('four processes that append to one session lose nothing [F16]', { timeout: 60_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sess-append-'))
  try {
    const store = fileStore(folder)
    const id = 'a'.repeat(40)
    await store.insert(id, { payload: '[]', expiresAt: Date.now() + 3_600_000 })
    const helper = fileURLToPath(new URL('./helpers/appender.ts', import.meta.url))
    const children = [0, 1, 2, 3].map(n => fork(helper, [folder, id, `${n * 50}`, '50']))
    const exits = children.map(child => new Promise(done => child.once('exit', done)))
    await Promise.all(children.map(child => new Promise(done => child.once('message', done))))
    for (const child of children) child.send('go')
    expect(await Promise.all(exits)).toEqual([0, 0, 0, 0])
    const { payload } = (await store.read(id))!
    expect(JSON.parse(payload).sort((a: number, b: number) => a - b)).toEqual(
      Array.from({ length: 200 }, (_, n) => n),
    )
  } finally {
    await rm(folder, { recursive: true })
  }
})

const kills = Number(process.env['SESS_KILLS'] ?? 5)

it(`after each of ${kills} kill -9 every session is whole and nothing acknowledged is lost [F11, F12]`, {
  timeout: 60_000 + kills * 1_000,
}, async () => {
  const report = await killLoop(kills)
  expect(report).toEqual({ kills, checked: expect.any(Number), lost: [], unreadable: [], leftOvers: [] })
  expect(report.checked).toBeGreaterThan(kills * 3)
})
