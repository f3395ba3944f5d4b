/**
 * Removes five expired rows of six while a writer in another process keeps saving, and measures how long its saves take.
 *
 *   node campaign/clear-expired.ts [--rows 1200000] [--runs 5] [--engines sqlite,postgres] [--batch 100]
 *
 * The tests run the same with few rows, and assert what is left instead of times.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Engine, openFilledTable } from '../test/filled-table.ts'

export interface Outcome {
  removed: number
  batches: number
  biggestBatch: number
  seconds: number
  /** Whether the live rows are the same, byte for byte. */
  liveIntact: boolean
  live: number
  /** Of the writer: how many saves, and the longest and the 99th percentile in milliseconds. */
  writes: number
  longestMs: number
  p99Ms: number
  /** How long the event loop of the process that cleans up stood still at the most. */
  stalledMs: number
}

/** One run on a fresh table. */
export async function clearExpiredUnderLoad(
  engine: Engine,
  rows: number,
  batchSize?: number,
): Promise<Outcome> {
  const backend = await openFilledTable(engine, rows)
  let writer: Writer | undefined
  try {
    const before = await backend.live()
    writer = await startWriter(engine, backend.location)
    const batches: number[] = []
    const stalls = monitorEventLoopDelay({ resolution: 5 })
    stalls.enable()
    const started = performance.now()
    for await (const { removed } of backend.store.clearExpired(batchSize ? { batchSize } : {}))
      batches.push(removed)
    const seconds = (performance.now() - started) / 1000
    stalls.disable()
    const waits = await writer.stop()
    const after = await backend.live()
    return {
      removed: batches.reduce((sum, batch) => sum + batch, 0),
      batches: batches.length,
      biggestBatch: Math.max(...batches),
      seconds,
      liveIntact: digest(before) === digest(after),
      live: after.length,
      ...waits,
      stalledMs: stalls.max / 1e6,
    }
  } finally {
    writer?.process.kill('SIGKILL')
    await backend.close()
  }
}

function digest(rows: string[]): string {
  const hash = createHash('sha256')
  for (const row of rows) hash.update(row)
  return hash.digest('hex')
}

type Waits = Pick<Outcome, 'writes' | 'longestMs' | 'p99Ms'>

interface Writer {
  process: ChildProcess
  stop(): Promise<Waits>
}

async function startWriter(engine: Engine, location: string): Promise<Writer> {
  const script = fileURLToPath(new URL('../test/processes/timed-writer.ts', import.meta.url))
  const child = spawn(process.execPath, [script, engine, location], { stdio: ['pipe', 'pipe', 'inherit'] })
  const output = createInterface(child.stdout)[Symbol.asyncIterator]()
  const line = async () => {
    const { value, done } = await output.next()
    if (done) throw new Error('The writer ended early.')
    return value
  }
  await line()
  return {
    process: child,
    async stop() {
      child.stdin.end()
      return JSON.parse(await line()) as Waits
    },
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      rows: { type: 'string', default: '1200000' },
      runs: { type: 'string', default: '5' },
      engines: { type: 'string', default: 'sqlite,postgres' },
      batch: { type: 'string' },
    },
  })
  for (const engine of values.engines.split(',') as Engine[]) {
    const outcomes: Outcome[] = []
    for (let run = 1; run <= Number(values.runs); run++) {
      const outcome = await clearExpiredUnderLoad(
        engine,
        Number(values.rows),
        values.batch ? Number(values.batch) : undefined,
      )
      outcomes.push(outcome)
      console.log(engine, `run ${run}:`, JSON.stringify(outcome))
    }
    const median = (name: 'longestMs' | 'p99Ms' | 'seconds' | 'stalledMs') =>
      outcomes
        .map(outcome => outcome[name])
        .sort((a, b) => a - b)
        [Math.floor(outcomes.length / 2)]?.toFixed(1)
    console.log(
      `${engine}: median of ${outcomes.length}: longest wait of the writer ${median('longestMs')} ms, ` +
        `p99 ${median('p99Ms')} ms, ${median('seconds')} s, event loop stalled ${median('stalledMs')} ms; ` +
        `live rows intact: ${outcomes.every(outcome => outcome.liveIntact)}`,
    )
  }
}
