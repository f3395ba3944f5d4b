export { type CachedStoreOptions, type CacheErrorEvent, cachedStore } from './cached-store.ts'
