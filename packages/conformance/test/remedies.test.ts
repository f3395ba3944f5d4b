import type { Store } from '@sess/core'
import { expect, test } from 'vitest'
import { adapterCases } from '../src/adapter-cases/index.ts'
import { ADAPTER_REMEDIES, remedyOf as adapterRemedyOf } from '../src/adapter-cases/remedies.ts'
import { formatFailure } from '../src/report.ts'
import { runStoreCases } from '../src/runner.ts'
import { storeCases } from '../src/store-cases/index.ts'
import { REMEDIES, remedyOf } from '../src/store-cases/remedies.ts'
import { inhabited } from './zoo/habitat.ts'
import { strangersStores } from './zoo/strangers-stores.ts'

test.each([
  ['stores', storeCases, REMEDIES, remedyOf],
  ['adapters', adapterCases, ADAPTER_REMEDIES, adapterRemedyOf],
])('of %s, every remedy is that of a case, and every case has one', (_, cases, remedies, remedyOf) => {
  const used = new Set(cases.map(({ id }) => remedyOf(id)))
  expect(remedies.filter(([, remedy]) => !used.has(remedy))).toEqual([])
  expect(cases.filter(({ id, remedy }) => remedy !== remedyOf(id))).toEqual([])
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
  ['store/stalled-process', 'reject by `whenTimeIsUp`'],
  ['store/abort-replace', 'Check `signal` before a call is sent'],
  ['store/clear-expired-races-renewal', 'with the condition "still expired"'],
  ['store/overlap-touch-clear-expired', 'with the condition "still expired"'],
  ['adapter/https-secure', 'Pass `secure: () => …`'],
  ['adapter/https-prefix', 'Append each line of `setCookies` as it is'],
  ['adapter/proxy-http', 'Pass `secure: () => …`'],
  ['adapter/proxy-untrusted', 'Pass `secure: () => …`'],
  ['adapter/hook-headers', 'by `applyTo`'],
  ['adapter/hook-responds-above', 'finds no session here'],
  ['adapter/hook-throws-above', 'finds no session here'],
  ['adapter/hook-responds-below', 'Commit where every response comes by'],
  ['adapter/hook-throws-below', 'Commit where every response comes by'],
  ['adapter/hook-failed-save', 'Note the headers when the session is opened'],
  ['adapter/hook-headers-after', 'leave the response one that can be changed'],
  ['adapter/hook-public', 'by `applyTo`'],
  ['adapter/hook-rejects-below', 'Commit where every response comes by'],
  ['adapter/hook-load-fails', 'reach the error handling once'],
  ['adapter/hook-throws-after', '`addCommitted`'],
  ['adapter/one-engine-twice', 'Use `SessionSlot`'],
  ['adapter/one-engine-twice-save-fails', 'reach the error handling once'],
  ['adapter/proxy-several', 'Pass `secure: () => …`'],
  ['adapter/forwarded', 'Pass `secure: () => …`'],
  ['adapter/proxy-host', '`req.hostname`'],
  ['adapter/proxy-devices', '`req.ip`'],
  ['adapter/save-fails-headers', 'Note the headers when the session is opened'],
  ['adapter/store-throws-at-once', '`settle`'],
  ['adapter/hook-clear-site-data', '`fieldValue`'],
  ['adapter/header-carrier', '`varyBy`'],
  ['adapter/two-carriers', '`undefined` or `null` for a header that is absent'],
  ['adapter/upgrade-unsaved', '`watchStandIn`'],
  ['adapter/with-body', 'accept a body of any type'],
  ['adapter/status-saves', '`Cache-Control`'],
  ['adapter/flush', 'Append each line of `setCookies` as it is'],
  ['adapter/flash', 'hand over the session itself'],
  ['adapter/thrown-headers', 'not to `error.headers`'],
  ['adapter/failing-body', 'Listen to `error`'],
  ['adapter/under-background', 'the whole one'],
  ['adapter/not-found', 'Run for every request'],
  ['adapter/raw-status', '`holdResponse`'],
  ['adapter/constant-cookies', '`holdResponse`'],
  ['adapter/status-5xx', 'Commit with the status that is sent'],
])('%s: %s', (id, remedy) => {
  expect([...storeCases, ...adapterCases].find(each => each.id === id)?.remedy).toContain(remedy)
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

test('a check that knows better than its case says so: the time to live of the backend, in words', async () => {
  const expiryOf = () => Date.now() + 60_000
  const { results } = await runStoreCases(() => ({ ...inhabited(), expiryOf }), {
    filter: 'store/life-life-thirty-days',
  })
  const shown = formatFailure(results[0]!)
  expect(shown).toMatch(/it drops it 30 days before expiresAt/)
  expect(shown).toMatch(/Remedy {4}Set the backend’s own time to live anew/)
})

test('of two store objects that read different things, the message says which reads what', async () => {
  const { results } = await runStoreCases(
    () => {
      const setup = inhabited()
      const second = setup.second as () => Store
      return { ...setup, second: () => ({ ...second(), read: () => null }) }
    },
    { filter: 'store/overlap-replace-touch' },
  )
  expect(results[0]?.happened).toMatch(/^one read .*payload.*, another one null$/)
  expect(results[0]?.remedy).toContain('"Not found" is no answer to keep')
})
