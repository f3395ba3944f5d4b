import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { judge } from '../goals.ts'
import type { Results } from '../results.ts'

// That it runs and what it writes. How fast anything is, is never tested.
let folder: string
let results: Results
let said: string
const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8')

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sess-bench-test-'))
  const command = join(import.meta.dirname, '../run.ts')
  const only = '^Express/(Sess, memory|express-session, MemoryStore)/read$'
  const args = [command, '--rounds', '1', '--seconds', '1', '--only', only, '--into', folder]
  ;({ stdout: said } = await promisify(execFile)(process.execPath, args))
  results = JSON.parse(await read('results.json'))
}, 90_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

test('what was asked for is measured, beside the bare framework', () => {
  expect(results.cells.map(({ framework, name, scenario }) => [framework, name, scenario])).toEqual([
    ['Express', 'bare', 'read'],
    ['Express', 'Sess, memory', 'read'],
    ['Express', 'express-session, MemoryStore', 'read'],
  ])
  for (const { rounds } of results.cells) {
    expect(rounds).toEqual([
      { requests: expect.any(Number), seconds: expect.any(Number), cpu: expect.any(Number) },
    ])
    expect(rounds[0]!.requests).toBeGreaterThan(0)
    expect(rounds[0]!.cpu).toBeGreaterThan(0)
  }
})

test('the bench in one process judges what ran, beside the floor and the peer', async () => {
  const page = join(folder, 'in-process.md')
  const args = [
    join(import.meta.dirname, '../in-process.ts'),
    '--rounds',
    '1',
    '--only',
    '^(Express|Hono)/memory/read$',
    '--into',
    page,
  ]
  await promisify(execFile)(process.execPath, args)
  const text = await readFile(page, 'utf8')
  expect(text).toMatch(
    /^\| Express \| read \| Sess, memory \| the floor, Map \| [-\d.]+ \| [-\d.]+ \| [-\d.]+ \| ≤ 1.5 \|/m,
  )
  expect(text).toMatch(/^\| Express \| read \| Sess, memory \| express-session, MemoryStore \|/m)
  expect(text).toMatch(/^\| Hono \| read \| Sess, memory \| hono-sessions, MemoryStore \|/m)
  expect(text).not.toMatch(/NaN|undefined|Infinity/)
}, 90_000)

test('the goals of what ran are judged', () => {
  expect(
    judge(results.cells).map(({ framework, scenario, atMost }) => [framework, scenario, atMost]),
  ).toEqual([['Express', 'read', 1]])
  expect(said).toMatch(/(met|MISSED) +Express, read: Sess, memory \/ express-session, MemoryStore/)
})

test('lost updates and heap are counted', () => {
  expect(results.lost).toEqual([
    { framework: 'Express', name: 'Sess, memory', lost: 0 },
    { framework: 'Express', name: 'express-session, MemoryStore', lost: expect.any(Number) },
  ])
  expect(results.heap.map(({ name }) => name)).toHaveLength(3)
})

test('a table and a chart are written', async () => {
  const page = await read('README.md')
  expect(page).toMatch(/^\| Express \| read \| memory \| express-session, MemoryStore \|/m)
  expect(page).not.toMatch(/NaN|undefined/)
  const svg = await read('session-cost.svg')
  expect(svg).toMatch(/^<svg [\s\S]*<\/svg>\n$/)
  expect(svg).not.toMatch(/NaN|undefined/)
})
