import { beforeAll, describe, expect, test } from 'vitest'
import { adapterCases } from '../src/adapter-cases/index.ts'
import { type Report, runAdapterCases } from '../src/runner.ts'
import { startReference, startReferenceWithTwo } from './reference-probe.ts'
import { brokenAdapters } from './zoo/broken-adapters.ts'

/** These have a zoo of their own (`strangers-adapters.ts`), whose adapters name the case that rejects them. */
const SECOND =
  /^adapter\/(?:method-|path-|(?:own-several|foreign-response|forwarded|not-modified|with-body|many-failures|left-after-change)$)/
const firstCases = adapterCases.filter(({ id }) => !SECOND.test(id))
const filter = new RegExp(`^(?:${firstCases.map(({ id }) => id).join('|')}) `)

const reports = new Map<string, Report>()

/** Most of a case's time is waiting, so many broken adapters are proved side by side. */
beforeAll(async () => {
  const waiting = [...brokenAdapters]
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const { id, Adapter } = next
      const report = await runAdapterCases(options => startReference(options, Adapter), {
        startTwoEngines: startReferenceWithTwo(Adapter),
        timeout: 2_500,
        filter,
      })
      reports.set(id, report)
    }
  }
  await Promise.all(Array.from({ length: 14 }, work))
}, 240_000)

const rejecting = (id: string) => (reports.get(id)?.results ?? []).filter(({ status }) => status === 'failed')

describe('the zoo of broken adapters', () => {
  test.each(brokenAdapters.map(({ id }) => [id]))('%s: rejected', id => {
    expect(rejecting(id).map(result => result.id)).not.toEqual([])
  })

  test('every case rejects one', () => {
    const victims = new Set([...reports.keys()].flatMap(id => rejecting(id).map(result => result.id)))
    const idle = firstCases.filter(({ id }) => !victims.has(id)).map(({ id }) => id)
    const killed = brokenAdapters.filter(({ id }) => rejecting(id).length > 0).length
    console.log(
      `broken adapters rejected: ${killed} of ${brokenAdapters.length}, ` +
        `cases: ${firstCases.length}, cases that reject none: ${idle.length}`,
    )
    expect(idle).toEqual([])
    expect(killed).toBe(brokenAdapters.length)
    expect(brokenAdapters.length).toBeGreaterThanOrEqual(25)
  })
})

describe('no false alarm', () => {
  test('on the reference probe, where every case applies', async () => {
    const report = await runAdapterCases(options => startReference(options), {
      startTwoEngines: startReferenceWithTwo(),
    })
    expect(report.results.filter(({ status }) => status !== 'passed')).toEqual([])
  })

  test('on a process that listens, whose cases with options say that they do not apply', async () => {
    const { url, stop } = await startReference()
    try {
      const report = await runAdapterCases(url)
      expect(report.results.filter(({ status }) => status === 'failed')).toEqual([])
      expect(report.skipped).toBeGreaterThan(5)
      expect(report.passed).toBeGreaterThan(25)
    } finally {
      await stop()
    }
  })
})
