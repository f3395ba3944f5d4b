// Opens the pages of the inspector over large stores, and fails if the first page takes a second or memory grows:
// `pnpm campaign inspector-scale [--sessions 100000]`.
import { parseArgs } from 'node:util'
import { largePostgres, largeSqlite, measurePages, PATHS } from '../test/large-store.ts'

const { values } = parseArgs({ options: { sessions: { type: 'string', default: '100000' } } })
const sessions = Number(values.sessions)
const MIB = 1_048_576

for (const [name, open] of Object.entries({ SQLite: largeSqlite, PostgreSQL: largePostgres })) {
  const { store, close } = await open(sessions)
  try {
    console.log(`${name}, ${sessions.toLocaleString('en-US')} sessions`)
    for (const { path, ms, cpuMs, bytes, heap } of await measurePages(store, [
      ...PATHS,
      ...PATHS,
      ...PATHS,
    ])) {
      const figures = [`${ms} ms`, `${cpuMs} ms of work`, `${bytes} B`, `heap ${(heap / MIB).toFixed(1)} MiB`]
      console.log(`  ${path.padEnd(44)} ${figures.join(', ')}`)
      const isFirst = !/after=|by=value/.test(path)
      const isSlow = isFirst && ms >= 1_000
      if (isSlow || heap > 8 * MIB) process.exitCode = 1
    }
  } finally {
    await close()
  }
}
console.log(
  process.exitCode === 1 ? 'A first page was slow, or memory grew.' : 'Every first page was there in time.',
)
