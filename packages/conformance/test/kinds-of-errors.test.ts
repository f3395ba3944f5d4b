import { expect, test } from 'vitest'
import { runStoreCases } from '../src/runner.ts'
import { inhabited } from './zoo/habitat.ts'

test('the cases of an error that a backend does not have do not apply, and those of its others run', async () => {
  const asked: string[] = []
  const report = await runStoreCases(
    () => {
      const { fail, ...setup } = inhabited()
      return {
        ...setup,
        fail(kind, options) {
          asked.push(kind)
          return kind === 'read-only' ? fail?.(kind, options) : false
        },
      }
    },
    { filter: /^store\/fails-/, quick: true },
  )
  const said = Object.fromEntries(report.results.map(({ id, status, reason }) => [id, reason ?? status]))
  expect(said).toMatchObject({
    'store/fails-loading': 'the backend has no error of the kind "loading"',
    'store/fails-out-of-memory': 'the backend has no error of the kind "out-of-memory"',
    'store/fails-too-many-connections': 'the backend has no error of the kind "too-many-connections"',
    'store/fails-read-only': 'passed',
    'store/fails-partly-remove-by-subject': 'passed',
    'store/fails-partly-scan': 'passed',
  })
  expect(report.failed).toBe(0)
  expect(asked).toContain('too-many-connections')
})
