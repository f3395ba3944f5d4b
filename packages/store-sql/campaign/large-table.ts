/**
 * Times each call of the store on a large table, to be compared with the same on a small one.
 *
 *   node campaign/large-table.ts [--rows 10000000] [--calls 2000] [--engines sqlite,postgres]
 */
import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import type { SqlStore } from '../src/index.ts'
import { type Engine, openFilledTable } from '../test/filled-table.ts'

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '10000000' },
    calls: { type: 'string', default: '2000' },
    engines: { type: 'string', default: 'sqlite,postgres' },
  },
})
const calls = Number(values.calls)

async function timed(work: () => unknown): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

/** Milliseconds of every call, by method. */
async function measure(store: SqlStore): Promise<Record<string, number[]>> {
  const times: Record<string, number[]> = {
    insert: [],
    read: [],
    replace: [],
    touch: [],
    bySubject: [],
    remove: [],
  }
  const expiresAt = Date.now() + 3_600_000
  for (let n = 0; n < calls; n++) {
    const id = randomBytes(20).toString('hex')
    const subject = `user ${n}`
    const bySubject = async () => {
      let found = 0
      for await (const _ of store.scanBySubject!(subject)) found++
      if (found !== 1) throw new Error(`${found} sessions of one subject.`)
    }
    times['insert']?.push(await timed(() => store.insert(id, { payload: 'one', expiresAt, subject })))
    times['read']?.push(await timed(() => store.read(id)))
    times['replace']?.push(
      await timed(() => store.replace(id, { payload: 'two', expiresAt, subject }, 'one')),
    )
    times['touch']?.push(await timed(() => store.touch(id, expiresAt + n, 'two')))
    times['bySubject']?.push(await timed(bySubject))
    times['remove']?.push(await timed(() => store.remove(id, 'two')))
  }
  return times
}

for (const engine of values.engines.split(',') as Engine[]) {
  for (const rows of [10_000, Number(values.rows)]) {
    const table = await openFilledTable(engine, rows)
    try {
      const columns = Object.entries(await measure(table.store)).map(([name, times]) => {
        times.sort((a, b) => a - b)
        const at = (share: number) => times[Math.floor((times.length - 1) * share)]?.toFixed(2)
        return `${name} ${at(0.5)} / ${at(0.99)}`
      })
      console.log(`${engine}, ${rows} rows, ms (median / p99): ${columns.join(', ')}`)
    } finally {
      await table.close()
    }
  }
}
