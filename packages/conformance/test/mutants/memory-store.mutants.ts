import type { StoredRecord } from '@sess/core'
import { memoryStore } from '../../src/memory-store.ts'
import { describeStore } from '../../src/vitest.ts'

describeStore('the reference store', () => {
  const records = new Map<string, StoredRecord>()
  return { store: memoryStore(records), second: memoryStore(records) }
})
