import { AsyncLocalStorage } from 'node:async_hooks'
import { memoryStore } from '@sess/conformance'
import type { Store } from '@sess/core'
import { cacheStore } from '@sess/store-cache'
import fc from 'fast-check'
import { vi } from 'vitest'
import { cachedStore } from '../src/index.ts'

export type Op = 'look' | 'save' | 'touch' | 'logout' | 'logoutAt' | 'everywhere' | 'login'

/** Requests that overlap: in which process each runs, what it does one after the other, by how much its `now` is off. */
export interface Request {
  process: 0 | 1
  ops: Op[]
  lagMs: number
}

export const programs: fc.Arbitrary<Request[]> = fc.array(
  fc.record({
    process: fc.constantFrom(0 as const, 1 as const),
    ops: fc.array(
      fc.oneof(
        { weight: 4, arbitrary: fc.constant<Op>('look') },
        { weight: 3, arbitrary: fc.constant<Op>('save') },
        {
          weight: 3,
          arbitrary: fc.constantFrom<Op>('logout', 'logoutAt', 'everywhere', 'touch', 'login'),
        },
      ),
      { minLength: 1, maxLength: 3 },
    ),
    lagMs: fc.constantFrom(0, 0, 300, 4_000),
  }),
  { minLength: 2, maxLength: 4 },
)

/** What becomes of one call: done, not done and an error, done and an error. `evict`: the cache loses its record first. */
export type Fate = 'ok' | 'before' | 'after' | 'evict'

export interface Variant {
  /** Ways of the cache to fail, drawn for each call. */
  fates: Fate[]
  /** Spoils the cache: what breaks the protocol must be found. */
  spoil?(fast: Store): Store
}

export const MAX_STALE = 10
const SKEW_MS = 1_000
/** How late a caller's `now` and how far apart two clocks may be here. */
const SLACK_MS = 4_000 + 2 * SKEW_MS
const ID = 'a'.repeat(40)
const START = 1_700_000_000_000

/**
 * Runs overlapping requests in two processes that share a cache and a database, each call starting and each answer
 * arriving when the scheduler says so, and throws when a read shows a state older than it may.
 */
export async function checkProgram(
  program: Request[],
  scheduler: fc.Scheduler,
  draw: { next(): IteratorResult<number> },
  { fates, spoil = fast => fast }: Variant,
): Promise<void> {
  vi.useFakeTimers({ toFake: ['performance'] })
  try {
    await run(program, scheduler, () => draw.next().value as number, fates, spoil)
  } finally {
    vi.useRealTimers()
  }
}

async function run(
  program: Request[],
  scheduler: fc.Scheduler,
  draw: () => number,
  fates: Fate[],
  spoil: (fast: Store) => Store,
): Promise<void> {
  const isHealthy = fates.every(fate => fate === 'ok')
  const forgets = fates.includes('evict')
  /** Every state that the database was in, in order. */
  const history: string[] = []
  /** Which state the database was in when the present operation met it. */
  const met = new AsyncLocalStorage<{ state: number }>()
  const acknowledged: { process: number; state: number; at: number }[] = []
  const clock = (): number => performance.now()
  const step = () => {
    const ms = { 0: 8_000, 1: 30_000, 2: 700, 3: 700, 4: 100 }[draw() % 60]
    if (ms !== undefined) vi.advanceTimersByTime(ms)
  }

  const database = memoryStore()
  const stateNow = () => {
    const found = database.read(ID, { now: START }) as { payload: string; expiresAt: number } | null
    return found === null ? 'none' : `${found.payload}@${found.expiresAt}`
  }
  const noted = <A extends unknown[], R>(method: (...args: A) => R) => {
    return (...args: A): R => {
      const answer = method(...args)
      if (stateNow() !== history.at(-1)) history.push(stateNow())
      const operation = met.getStore()
      if (operation) operation.state = history.length - 1
      return answer
    }
  }
  const durable = {
    ...database,
    insert: noted(database.insert),
    replace: noted(database.replace),
    touch: noted(database.touch),
    remove: noted(database.remove),
  } as Store
  const cache = cacheStore()
  const fast = { ...spoil(cache), close: () => undefined }

  const slowed = (store: Store, name: string, fate: () => Fate): Store => {
    const slow: Record<string, unknown> = { ...store }
    for (const method of ['read', 'insert', 'replace', 'touch', 'remove'] as const) {
      slow[method] = async (...args: unknown[]) => {
        await scheduler.schedule(Promise.resolve(), `${name} ${method} starts`)
        step()
        const happens = fate()
        if (happens === 'evict') cache.remove(ID)
        if (happens === 'before') throw new Error(`${name} is down`)
        const answer = await (store[method] as (...args: unknown[]) => unknown)(...args)
        await scheduler.schedule(Promise.resolve(), `${name} ${method} answers`)
        step()
        if (happens === 'after') throw new Error(`${name} went down`)
        return answer
      }
    }
    return slow as unknown as Store
  }
  const fate = () => fates[draw() % fates.length]!
  const processes = [0, 1].map(() =>
    cachedStore({
      fast: slowed(fast, 'cache', fate),
      durable: slowed(durable, 'database', () => 'ok'),
      maxStale: MAX_STALE,
      timeout: 2 ** 30,
    }),
  )

  let count = 0
  const record = () => ({ payload: `${++count}`, expiresAt: START + 1e9 + count, subject: 'ada' })
  durable.insert(ID, record(), { now: START })

  const request = async ({ process, ops, lagMs }: Request): Promise<void> => {
    const store = processes[process]!
    const context = () => ({ now: Math.floor(START + clock() - lagMs + (process ? SKEW_MS : -SKEW_MS)) })
    const look = async () => {
      const started = clock()
      const least = Math.max(
        0,
        ...acknowledged
          .filter(
            ack =>
              isHealthy ||
              (!forgets && ack.process === process) ||
              ack.at + MAX_STALE * 1000 + SLACK_MS < started,
          )
          .map(ack => ack.state),
      )
      const found = await store.read(ID, context())
      const seen = found === null ? 'none' : `${found.payload}@${found.expiresAt}`
      if (!history.slice(least).includes(seen)) {
        throw new Error(
          `process ${process} read ${seen}, older than ${history[least]}: ${JSON.stringify({ history, acknowledged })}`,
        )
      }
      return found
    }
    const change = async (run: () => unknown): Promise<void> => {
      const operation = { state: 0 }
      try {
        await met.run(operation, async () => await run())
      } catch (error) {
        // Only a removal may fail for the cache.
        if ((error as { code?: string }).code === 'SESSION_STORE') return
        throw error
      }
      acknowledged.push({ process, state: operation.state, at: clock() })
    }
    for (const op of ops) {
      const found = op === 'logout' || op === 'everywhere' ? null : await look()
      if (op === 'save' && found) await change(() => store.replace(ID, record(), found.version, context()))
      if (op === 'touch' && found)
        await change(() => store.touch(ID, record().expiresAt, found.version, context()))
      if (op === 'logout') await change(() => store.remove(ID, undefined, context()))
      if (op === 'logoutAt' && found) await change(() => store.remove(ID, found.version, context()))
      if (op === 'everywhere') await change(() => store.removeBySubject!('ada', context()))
      if (op === 'login' && !found) await change(() => store.insert(ID, record(), context()))
    }
    await look()
  }

  // Closing retries what is pending, by calls that the scheduler has to run as well.
  const requests = Promise.all(program.map(request)).finally(async () => {
    for (const store of processes) await store.close?.()
  })
  await scheduler.waitFor(requests)
}
