export { type CacheStore, cacheStore } from './cache-store.ts'
export type { CacheStoreOptions } from './options.ts'
