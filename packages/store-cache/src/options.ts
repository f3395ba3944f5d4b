import { readOptions } from '@sess/core/store'

/** Options of `cacheStore`. */
export interface CacheStoreOptions {
  /** The most sessions that are kept, expired ones included. Default 100,000. Their 32 bytes each are reserved at once. */
  maxEntries?: number
  /** The most bytes of memory that all sessions may take, by estimate. Default 67,108,864 (64 MiB). */
  maxBytes?: number
}

/** The options with their defaults, checked. */
export function readCacheOptions(options: CacheStoreOptions): Required<CacheStoreOptions> {
  return readOptions<CacheStoreOptions>(options, {
    maxEntries: [100_000, [isPositive, 'a positive whole number']],
    maxBytes: [67_108_864, [isPositive, 'a positive whole number of bytes']],
  })
}

function isPositive(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0
}
