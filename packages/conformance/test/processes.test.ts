import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runStoreCases } from '../src/runner.ts'
import jsonStore, { type JsonStoreOptions } from './zoo/processes/json-store.ts'

const module = new URL('./zoo/processes/json-store.ts', import.meta.url).href

async function proved(mistake?: JsonStoreOptions['mistake'], filter = 'store/process-') {
  const report = await runStoreCases(
    () => {
      const folder = mkdtempSync(join(tmpdir(), 'json-store-'))
      const argument = { file: join(folder, 'records.json'), mistake }
      writeFileSync(argument.file, '{}')
      return {
        store: jsonStore(argument),
        second: jsonStore(argument),
        module: { path: module, argument },
        cleanup: () => rmSync(folder, { recursive: true }),
      }
    },
    { filter, quick: true, timeout: 20_000 },
  )
  return report.results
    .filter(({ status }) => status !== 'passed')
    .map(({ id, happened, reason }) => [id, happened ?? reason])
}

test('a store that is atomic for every process passes', async () => {
  expect(await proved()).toEqual([])
})

test.each([
  ['lock of one process', 'store/process-one-wins'],
  ['counter of one process', 'store/process-no-lost-update'],
  ['local time', 'store/process-sees'],
  ['cache of one process', 'store/process-sees'],
  ['number of the process and a counter', 'store/process-same-number'],
  ['busy is an error', 'store/process-busy'],
] as const)('a %s is found out by %s', async (mistake, by) => {
  expect(await proved(mistake, by)).toEqual([[by, expect.any(String)]])
})

test('a module that does not load is named, with its error', async () => {
  const report = await runStoreCases(
    () => ({ store: jsonStore({ file: '' }), module: '/nowhere/store.js' }),
    { filter: 'store/process-sees' },
  )
  expect(report.results[0]?.happened).toMatch(/second process ended.*nowhere/s)
})
