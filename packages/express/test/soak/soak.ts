import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startRedis } from '@sess/test-fixtures/servers'
import type { Sample } from './server.ts'
import { type Tally, Visitor } from './visitor.ts'

export interface SoakOptions {
  seconds: number
  /** Visitors of each contestant. */
  visitors?: number
  /** Milliseconds that a visitor waits between two steps. */
  pause?: number
  seed?: number
}

export interface Result extends Tally {
  name: string
  samples: Sample[]
}

/**
 * Puts Express under a mixed load: with sessions in SQLite, with sessions in Redis, and without sessions as a control.
 * All three run side by side, so that a busy machine is the same for all.
 */
export async function soak({ seconds, visitors = 8, pause = 5, seed = 1 }: SoakOptions): Promise<Result[]> {
  const folder = mkdtempSync(join(tmpdir(), 'sess-soak-'))
  const redis = await startRedis()
  try {
    const places = { none: '', sqlite: join(folder, 'sessions.db'), redis: redis.url }
    return await Promise.all(
      Object.entries(places).map(([name, place], index) =>
        contestant(name, place, { seconds, visitors, pause, seed: seed + index * 1000 }),
      ),
    )
  } finally {
    await redis.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function contestant(name: string, place: string, options: Required<SoakOptions>): Promise<Result> {
  const child = fork(join(import.meta.dirname, 'server.ts'), [name, place], { execArgv: ['--expose-gc'] })
  const ended = once(child, 'exit')
  try {
    const url = await message<string>(child, ended)
    const result: Result = {
      name,
      samples: [],
      requests: 0,
      errors: [],
      wrong: [],
      interrupted: 0,
      overtaken: 0,
    }
    const end = performance.now() + options.seconds * 1000
    const work = Array.from({ length: options.visitors }, async (_, index) => {
      const visitor = new Visitor(url, result, numbers(options.seed + index))
      while (performance.now() < end) {
        await visitor.visit()
        await sleep(options.pause)
      }
      visitor.leave()
    })
    const interval = Math.max(options.seconds / 40, 0.25) * 1000
    while (performance.now() + interval < end) {
      await sleep(interval)
      child.send('sample')
      result.samples.push(await message<Sample>(child, ended))
    }
    await Promise.all(work)
    // Without sessions there is nothing to be right about.
    if (name === 'none') result.wrong = []
    return result
  } finally {
    if (child.connected) child.disconnect()
    await ended
  }
}

/** The next message of a contestant. Throws if it ends instead. */
async function message<T>(child: ChildProcess, ended: Promise<unknown[]>): Promise<T> {
  const failed = ended.then(([code]) => Promise.reject(new Error(`A contestant ended with ${code}`)))
  const [message] = await Promise.race([once(child, 'message'), failed])
  return message as T
}

/** A generator of numbers from 0 to 1 (mulberry32): the same seed makes the same visitors. */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Bytes that the mean of the last quarter of the samples is above that of the second quarter. */
export function growth(samples: readonly Sample[], of: 'heap' | 'rss'): number {
  const quarter = Math.floor(samples.length / 4)
  const mean = (part: readonly Sample[]): number =>
    part.reduce((sum, each) => sum + each[of], 0) / part.length
  return quarter === 0 ? 0 : mean(samples.slice(-quarter)) - mean(samples.slice(quarter, quarter * 2))
}
