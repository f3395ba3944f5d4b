import { expect, it } from 'vitest'
import { largeSqlite, measurePages, PATHS } from './large-store.ts'

const MIB = 1_048_576

it('with 100,000 sessions a page takes less than a second of work, and memory stays flat', async () => {
  const { store, close } = largeSqlite(100_000)
  const measured = await measurePages(store, [...PATHS, ...PATHS.slice(0, 2)])
  await close()
  for (const { path, cpuMs, bytes, heap } of measured) {
    // The search reads for 2 seconds at the most; on a busy machine that is less work.
    if (!path.includes('by=value')) expect([path, cpuMs < 1_000 || cpuMs]).toEqual([path, true])
    expect([path, bytes < 100_000 || bytes]).toEqual([path, true])
    expect([path, heap < 8 * MIB || heap]).toEqual([path, true])
  }
  const [overview, list, later, user, search] = measured.map(({ page }) => page)
  expect(overview).toMatch(/<b>90,910<\/b>/)
  expect(overview).toMatch(/<b>9,090<\/b>/)
  expect(overview).toMatch(/Of the first [\d,]+ sessions that the store gave/)
  for (const page of [list, later]) {
    expect(page).toContain('50 live sessions, in the order of the store')
    expect(page).toContain('rel="next"')
  }
  expect(user).toMatch(/<p>\d live sessions, the newest first\.<\/p>/)
  expect(search).toMatch(/Looked at the sessions 1 to [\d,]+ of this store/)
  expect(search).toContain('go on looking below')
})
