import { cacheStore } from '../../../store-cache/src/index.ts'
import { describeStore } from '../../src/vitest.ts'

describeStore('store-cache', () => {
  const store = cacheStore({ maxEntries: 5_000 })
  return { store, second: store }
})
