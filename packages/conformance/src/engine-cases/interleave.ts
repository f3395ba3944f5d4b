import type { Store } from '@sess/core'
import { CaseFailure } from '../check.ts'
import type { StoreFixture } from '../store-fixture.ts'

/** Requests that overlap, on a session made for them, and what must hold after them. */
export interface Overlap {
  /** Each gets a store of its own on the same backend, whose calls wait for their turn. */
  requests: readonly ((store: Store) => Promise<unknown>)[]
  check(): Promise<void>
}

/** Orders that a quick run takes: each of them is chosen by chance. */
const QUICK_ORDERS = 6
/** A store whose calls take longer than so many milliseconds gets a quarter of the orders, chosen by chance. */
const SLOW_PACE = 3

/**
 * Runs overlapping requests in every order of their store calls, or in as many as `limit` says: one call at a time,
 * each order once, found by going back to the last choice that has another side. A quick run, and one on a slow store,
 * takes some random orders.
 */
export async function everyInterleaving(
  { store, quick, pace }: Pick<StoreFixture, 'store' | 'quick' | 'pace'>,
  open: () => Promise<Overlap>,
  limit = 60,
): Promise<void> {
  const isSlow = !quick && (await pace()) > SLOW_PACE
  if (quick || isSlow) {
    const orders = quick ? QUICK_ORDERS : limit / 4
    for (let run = 0; run < orders; run++)
      await runAndCheck(store, open, ready => Math.floor(Math.random() * ready))
    return
  }
  let choices: number[] = []
  for (let run = 0; run < limit; run++) {
    const branches = await runAndCheck(store, open, (_, step) => choices[step] ?? 0)
    const taken = branches.map((_, step) => choices[step] ?? 0)
    let last = branches.length - 1
    while (last >= 0 && (taken[last] ?? 0) + 1 >= (branches[last] ?? 0)) last--
    if (last < 0) return
    choices = [...taken.slice(0, last), (taken[last] ?? 0) + 1]
  }
}

/** Of so many waiting requests, the one that makes its next store call in this step. */
type Choose = (ready: number, step: number) => number

/** Runs one order, and returns how many requests were waiting at each step. */
async function runAndCheck(store: Store, open: () => Promise<Overlap>, choose: Choose): Promise<number[]> {
  const { requests, check } = await open()
  const { order, branches } = await runInOrder(store, requests, choose)
  try {
    await check()
  } catch (error) {
    if (!(error instanceof CaseFailure)) throw error
    throw new CaseFailure(error.expected, `${error.happened} (order of the store calls: ${order.join(', ')})`)
  }
  return branches
}

async function runInOrder(store: Store, requests: Overlap['requests'], choose: Choose) {
  const waiting = new Map<number, { call: string; go: () => void }>()
  let calling = 0
  let ended = 0

  const turn = (request: number, call: string) =>
    new Promise<void>(resolve => waiting.set(request, { call, go: resolve }))
  const all = Promise.all(
    requests.map(async (request, n) => {
      try {
        await request(
          gated(
            store,
            call => turn(n, call),
            change => {
              calling += change
            },
          ),
        )
      } finally {
        ended++
      }
    }),
  )
  all.catch(() => undefined) // awaited below, when every request has ended

  const order: string[] = []
  const branches: number[] = []
  while (ended < requests.length) {
    await settled(() => calling === 0 && waiting.size + ended === requests.length)
    const ready = [...waiting.keys()].sort((a, b) => a - b)
    const next = ready[choose(ready.length, branches.length)] ?? ready[0]
    if (next === undefined) continue
    branches.push(ready.length)
    const { call = '', go } = waiting.get(next) ?? {}
    waiting.delete(next)
    order.push(`${'ABCDEF'[next]} ${call}`)
    go?.()
  }
  await all
  return { order, branches }
}

/** Waits until it is so, or until nothing moves any more: a request may wait for another one. */
async function settled(so: () => boolean): Promise<void> {
  for (let n = 0; n < 100 && !so(); n++) await null
  for (let n = 0; n < 5_000 && !so(); n++) {
    await new Promise(resolve => setTimeout(resolve, 0))
    // Idle for a while, and not because of a call that is under way.
    if (n > 20) return
  }
}

function gated(store: Store, turn: (call: string) => Promise<void>, count: (change: number) => void): Store {
  const gate = { ...store } as Record<string, unknown>
  for (const name of ['read', 'insert', 'replace', 'touch', 'remove', 'removeBySubject'] as const) {
    const method = store[name] as ((...args: unknown[]) => unknown) | undefined
    if (!method) continue
    gate[name] = async (...args: unknown[]) => {
      await turn(name)
      count(1)
      try {
        return await method.apply(store, args)
      } finally {
        count(-1)
      }
    }
  }
  const { scanBySubject } = store
  if (scanBySubject) {
    gate['scanBySubject'] = async function* (...args: Parameters<typeof scanBySubject>) {
      await turn('scanBySubject')
      count(1)
      try {
        yield* scanBySubject.apply(store, args)
      } finally {
        count(-1)
      }
    }
  }
  return gate as unknown as Store
}
