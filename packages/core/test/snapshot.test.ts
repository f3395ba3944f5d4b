import { join } from 'node:path'
import { expect, it } from 'vitest'
import { inSnapshotProcesses } from '../../../test-fixtures/snapshot.ts'

it('no key repeats in processes that start from one V8 snapshot of a warm process [A1]', async () => {
  const imports = `import { randomBytes } from '#crypto'\nimport { newKey } from './key.ts'`
  const keys = await inSnapshotProcesses(imports, 'newKey(randomBytes)', join(import.meta.dirname, '../src'))
  for (const key of keys) expect(key).toMatch(/^[a-z0-9]{32}$/)
  expect(new Set(keys).size).toBe(3)
})
