import { join } from 'node:path'
import { inSnapshotProcesses } from '@sess/test-fixtures/snapshot.ts'
import { expect, it } from 'vitest'

it('no version repeats in processes that start from one V8 snapshot of a warm process', async () => {
  const folder = join(import.meta.dirname, '../src')
  const versions = await inSnapshotProcesses(
    "import { newVersion } from './record.ts'",
    'newVersion(1_700_000_000_000)',
    folder,
  )
  for (const version of versions) expect(version).toMatch(/^[\w-]{10,}$/)
  expect(new Set(versions).size).toBe(3)
})
