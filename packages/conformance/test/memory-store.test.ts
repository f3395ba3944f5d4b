import type { StoredRecord } from '@sess/core'
import { testStore } from '@sess/core/testing'
import { memoryStore } from '../src/memory-store.ts'
import { describeStore } from '../src/vitest.ts'

describeStore('the reference store', () => {
  const records = new Map<string, StoredRecord>()
  return { store: memoryStore(records), second: memoryStore(records) }
})

describeStore('the store of @sess/core/testing', () => ({ store: testStore() }))
