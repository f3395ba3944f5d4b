import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'

const module = new URL('../src/adapter-cases/uncaught.ts', import.meta.url).href

/** What a process prints, and its exit code, in which this is thrown where nobody catches it. */
function thrown(how: string): { output: string; code: number | null } {
  const program = `
import { withNothingUncaught } from ${JSON.stringify(module)}
const error = new Error('the disk is full')
await withNothingUncaught(error, 'the error of the store', async () => { ${how} }).then(
  () => console.log('nothing'),
  failure => console.log(failure.message),
)`
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--no-warnings', '--input-type=module', '-e', program],
    { encoding: 'utf8' },
  )
  return { output: stdout.trim() || stderr, code: status }
}

const FAILURE = 'expected the error of the store to go to the error handling, but it reached the process'

test.each([
  ['an error', 'setTimeout(() => { throw error })'],
  ['an error that it caused', "setTimeout(() => { throw new Error('no save', { cause: error }) })"],
  ['a rejected promise', 'void Promise.reject(error)'],
])('%s that nobody catches is a failure', (_, how) => {
  const { output, code } = thrown(how)
  expect(output).toContain(FAILURE)
  expect(code).toBe(0)
})

test('an error that is caught is none', () => {
  expect(thrown('try { throw error } catch {}').output).toBe('nothing')
})

test('an error of somebody else ends the process, as it does without the case', () => {
  const { output, code } = thrown("setTimeout(() => { throw new Error('of somebody else') })")
  expect(output).toContain('of somebody else')
  expect(code).not.toBe(0)
})
