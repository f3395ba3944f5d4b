export { type CacheStore, type CacheStoreOptions, cacheStore } from './cache-store.ts'
