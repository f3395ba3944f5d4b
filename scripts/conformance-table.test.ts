import { expect, it } from 'vitest'
import { run } from './run.ts'

it('the table after a run tells cases that passed, that do not apply and that were not run', async () => {
  const { output } = await run('vitest', ['run', 'packages/store-cache/', '-t', 'store/(read|close|down)'], {
    env: { NO_COLOR: '1', SESS_COUNTS: '' },
  })
  const [, passed, doesNotApply, failed, notRun] =
    /^lru-cache +(\d+) +(\d+) +(\d+) +(\d+)$/m.exec(output) ?? []
  expect(Number(passed)).toBeGreaterThan(5)
  // An outage of one's own memory, and nothing to close.
  expect(Number(doesNotApply)).toBe(9)
  expect(failed).toBe('0')
  expect(Number(notRun)).toBeGreaterThan(50)
  expect(output).toMatch(/^Does not apply, because$/m)
  expect(output).toContain('the store offers no close(): lru-cache')
  // What `-t` left out is a skip, and is named as one.
  expect(output).toContain(`SKIPPED`)
}, 30_000)
