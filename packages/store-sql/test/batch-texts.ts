import { expect } from 'vitest'
import type { SqlStore } from '../src/index.ts'

/** Removes one batch of each size. */
async function clear(store: SqlStore, sizes: number[]): Promise<void> {
  const now = Date.now()
  for (const size of sizes) {
    for (let n = 0; n < size; n++) await store.insert(`${size}x${n}`, { payload: '', expiresAt: now })
    const removed = []
    for await (const batch of store.clearExpired({ now, batchSize: size })) removed.push(batch.removed)
    expect(removed).toEqual([size])
  }
}

/** The sizes in between need no text that those of the first list have not made. */
export async function expectNoMoreTexts(store: SqlStore, count: () => unknown): Promise<void> {
  await clear(store, [1, 2, 4, 8, 16])
  const before = await count()
  await clear(store, [3, 5, 6, 7, 9, 11, 12, 15])
  expect(await count()).toBe(before)
  expect(before).toBeGreaterThan(5)
}
