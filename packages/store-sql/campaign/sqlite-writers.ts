/**
 * Several processes write to one SQLite file at a steady rate: how long a write takes, how long it holds the event loop
 * (its fsync), and how many fail because the file was busy for 5 s.
 *
 *   node campaign/sqlite-writers.ts [--processes 4] [--rate 125] [--seconds 10] [--synchronous full]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { sqliteStore } from '../src/index.ts'
import { start } from '../test/processes/run.ts'

export interface Load {
  processes: number
  /** Writes a second of each process. */
  rate: number
  seconds: number
  synchronous: 'full' | 'normal'
}

export interface Outcome {
  writes: number
  failures: number
  /** Milliseconds, sorted: from the call to its answer, and what of it held the event loop. */
  times: number[]
  held: number[]
}

export async function writeTogether({ processes, rate, seconds, synchronous }: Load): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'sess-writers-'))
  try {
    const file = join(folder, 'sessions.db')
    await sqliteStore(file).close()
    const children = Array.from({ length: processes }, (_, n) =>
      start('paced-writer.ts', file, `p${n}`, String(rate), String(seconds), synchronous),
    )
    const codes = await Promise.all(children.map(({ ended }) => ended))
    if (codes.some(code => code !== 0)) throw new Error(`Writers ended with ${codes.join(', ')}.`)
    const told = children.map(({ lines }) => JSON.parse(lines.at(-1)!) as Omit<Outcome, 'writes'>)
    const sorted = (name: 'times' | 'held') => told.flatMap(each => each[name]).sort((a, b) => a - b)
    const times = sorted('times')
    return {
      writes: times.length,
      failures: told.reduce((sum, each) => sum + each.failures, 0),
      times,
      held: sorted('held'),
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The value that a share of the sorted ones does not exceed. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { values } = parseArgs({
    options: {
      processes: { type: 'string', default: '4' },
      rate: { type: 'string', default: '125' },
      seconds: { type: 'string', default: '10' },
      synchronous: { type: 'string', default: 'full' },
    },
  })
  const outcome = await writeTogether({
    processes: Number(values.processes),
    rate: Number(values.rate),
    seconds: Number(values.seconds),
    synchronous: values.synchronous as 'full',
  })
  const row = (sorted: number[]) =>
    [0.5, 0.99, 0.999, 1].map(share => percentile(sorted, share).toFixed(1)).join(' / ')
  console.log(
    `${values.processes} processes, ${values.rate} writes a second each, synchronous ${values.synchronous}:`,
  )
  console.log(`  ${outcome.writes} writes, ${outcome.failures} failures`)
  console.log(`  a write, ms (median / p99 / p99.9 / longest): ${row(outcome.times)}`)
  console.log(`  it held the event loop, ms:                   ${row(outcome.held)}`)
}
