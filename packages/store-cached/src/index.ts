export { type CachedStoreOptions, cachedStore } from './cached-store.ts'
export type { CacheErrorEvent } from './copies.ts'
