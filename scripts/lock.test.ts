import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterAll, expect, it } from 'vitest'
import { withLock } from './lock.ts'

const folder = mkdtempSync(join(tmpdir(), 'sess-lock-'))
const path = join(folder, 'lock')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('lets one holder in at a time, and goes on after one that failed', async () => {
  let inside = 0
  const visits = Array.from({ length: 5 }, (_, index) =>
    withLock(path, async () => {
      expect(++inside).toBe(1)
      await nextTurn()
      inside--
      if (index === 0) throw new Error('failed inside')
    }),
  )
  const results = await Promise.allSettled(visits)
  expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1)
  expect(existsSync(path)).toBe(false)
})

it('takes over the lock of a process that is no more', async () => {
  const { pid } = spawnSync(process.execPath, ['--version'])
  writeFileSync(path, String(pid))
  expect(await withLock(path, async () => 'in')).toBe('in')
})
