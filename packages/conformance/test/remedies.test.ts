import { expect, test } from 'vitest'
import { formatFailure } from '../src/report.ts'
import { runStoreCases } from '../src/runner.ts'
import { storeCases } from '../src/store-cases/index.ts'
import { REMEDIES, remedyOf } from '../src/store-cases/remedies.ts'
import { inhabited } from './zoo/habitat.ts'
import { strangersStores } from './zoo/strangers-stores.ts'

test('every remedy is that of a case', () => {
  const used = new Set(storeCases.map(({ id }) => remedyOf(id)))
  expect(REMEDIES.filter(([, remedy]) => !used.has(remedy))).toEqual([])
})

test.each([
  ['store/no-lost-update', 'Compare the version and write in one step'],
  ['store/overlap-replace-replace', 'Compare the version and write in one step'],
  ['store/replace-races-remove', 'Write nothing under an id that is not there'],
  ['store/overlap-replace-remove', 'Write nothing under an id that is not there'],
  ['store/touch-gone', 'Write nothing under an id that is not there'],
  ['store/life-life-over-thirty-days', 'milliseconds since the epoch'],
  ['store/expires', 'milliseconds since the epoch'],
  ['store/scan-pages', 'List the keys of your own prefix only'],
  ['store/overlap-scan-scan', 'List the keys of your own prefix only'],
  ['store/subject-exact', 'Write the index of subjects in one step'],
  ['store/everywhere-origin-moved', 'Write the index of subjects in one step'],
  ['store/fresh-after-remove-by-subject', 'Write the index of subjects in one step'],
  ['store/payload-syntax', 'Keep payload and subject as the texts they are'],
  ['store/life-text-patterns', 'Keep payload and subject as the texts they are'],
  ['store/payload-big-wide', '`maxBytes`'],
  ['store/down-read', 'Let the client’s error reach the caller'],
  ['store/fails-loading', 'Let the client’s error reach the caller'],
  ['store/stalled-process', 'When a time limit of the store ends'],
  ['store/abort-replace', 'Check `signal` before a call is sent'],
  ['store/clear-expired-races-renewal', 'with the condition "still expired"'],
  ['store/overlap-touch-clear-expired', 'with the condition "still expired"'],
])('%s: %s', (id, remedy) => {
  expect(storeCases.find(each => each.id === id)?.remedy).toContain(remedy)
})

test('a failure of a stranger’s store is printed with it', async () => {
  const { by, mistake } = strangersStores[0]!
  const report = await runStoreCases(() => inhabited(mistake), { filter: new RegExp(`^${by} `) })
  const lines = formatFailure(report.results[0]!).split('\n')
  expect(lines.map(line => line.trim().split(' ')[0])).toEqual(
    expect.arrayContaining(['Rule', 'Expected', 'Happened', 'Remedy', 'Matters', 'Source']),
  )
  expect(lines.find(line => line.startsWith('  Remedy'))).toBe(`  Remedy    ${remedyOf(by)}`)
})
