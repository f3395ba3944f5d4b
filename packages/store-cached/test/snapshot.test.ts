import { join } from 'node:path'
import { inSnapshotProcesses } from '@sess/test-fixtures/snapshot.ts'
import { expect, it } from 'vitest'

it('no tombstone repeats in processes that start from one V8 snapshot of a warm process', async () => {
  const folder = join(import.meta.dirname, '../src')
  const marks = await inSnapshotProcesses(
    "import { tombstone } from './entry.ts'",
    'tombstone(1).payload',
    folder,
  )
  for (const mark of marks) expect(mark).toMatch(/^\["[a-z0-9.]+"\]$/)
  expect(new Set(marks).size).toBe(3)
})
