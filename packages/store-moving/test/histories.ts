import { setImmediate as turn } from 'node:timers/promises'
import { memoryStore } from '@sess/conformance'
import type { SessionRecord, Store, StoredRecord } from '@sess/core'
import { movingStore } from '../src/index.ts'

/** What one process does, one call after the other. Calls at a version use the one that the process read last. */
export const ACTS = {
  read: ['read'],
  insert: ['insert'],
  'insert, remove': ['insert', 'remove'],
  save: ['read', 'replace'],
  'save to the past': ['read', 'replace to the past', 'read'],
  touch: ['read', 'touch'],
  'touch to the past': ['read', 'touch to the past', 'read'],
  'touch, read': ['read', 'touch', 'read'],
  shorten: ['read', 'touch earlier', 'read'],
  remove: ['remove'],
  'remove, read': ['remove', 'read'],
  'remove, insert': ['remove', 'insert'],
  'remove at': ['read', 'remove at'],
  'remove by subject': ['removeBySubject', 'read'],
} as const

export type Act = keyof typeof ACTS
/** What is there when the processes begin: nothing, a session of the old site, or one that both stores have. */
export type Start = 'nothing' | 'old' | 'both'
/** Takes the number of calls to a backend that wait, and returns which one is made next. */
export type Choose = (waiting: readonly { process: number }[]) => number

interface Call {
  process: number
  name: (typeof ACTS)[Act][number]
  record: SessionRecord
  /** The payload that was read with the version that the call names. */
  at: string | undefined
  answer: unknown
  began: number
  ended: number
}

const ID = 'a'.repeat(40)
const NOW = 1_000_000
const SUBJECT = 'ann'
const context = { now: NOW }
const text = (record: SessionRecord | null) => record && `${record.payload} until ${record.expiresAt}`

/** Runs what the processes do, each on its moving store, and returns what no order of the calls explains. */
export async function run(acts: readonly Act[], start: Start, choose: Choose): Promise<string | undefined> {
  const [old, fresh] = [memoryStore(), memoryStore()]
  const begun: SessionRecord = { payload: 'start', expiresAt: NOW + 100_000, subject: SUBJECT }
  if (start === 'old') await old.insert(ID, begun, context)
  if (start === 'both') await movingStore({ from: old, to: fresh }).insert(ID, begun, context)

  const waiting: { process: number; go(): void }[] = []
  const history: Call[] = []
  let clock = 0
  let running = acts.length

  const gated = (store: Store, process: number): Store => {
    const gate = (): Promise<void> => new Promise(go => void waiting.push({ process, go }))
    const each =
      <Args extends unknown[], Result>(method: (...args: Args) => Result) =>
      async (...args: Args): Promise<Awaited<Result>> => {
        await gate()
        return await method(...args)
      }
    return {
      read: each(store.read),
      insert: each(store.insert),
      replace: each(store.replace),
      touch: each(store.touch),
      remove: each(store.remove),
      async *scanBySubject(...args) {
        await gate()
        yield* store.scanBySubject!(...args)
      },
    }
  }

  const runs = acts.map(async (act, process) => {
    const store = movingStore({ from: gated(old, process), to: gated(fresh, process) })
    let seen: StoredRecord | null = null
    for (const [at, name] of ACTS[act].entries()) {
      const lives = name.endsWith('past') ? -1 : name.endsWith('earlier') ? 50_000 : 100_000
      const expiresAt = NOW + lives + (lives > 0 ? 10 * (process + 1) + at : 0)
      const record = { payload: `${name} ${process}`, expiresAt, subject: SUBJECT }
      const call: Call = {
        process,
        name,
        record,
        at: seen?.payload,
        answer: undefined,
        began: ++clock,
        ended: 0,
      }
      const version = seen?.version ?? 'none'
      history.push(call)
      if (name === 'read') {
        seen = await store.read(ID, context)
        call.answer = text(seen)
      } else if (name === 'insert') call.answer = await store.insert(ID, record, context)
      else if (name.startsWith('replace')) call.answer = await store.replace(ID, record, version, context)
      else if (name.startsWith('touch')) call.answer = await store.touch(ID, expiresAt, version, context)
      else if (name === 'removeBySubject') call.answer = await store.removeBySubject!(SUBJECT, context)
      else call.answer = await store.remove(ID, name === 'remove' ? undefined : version, context)
      call.ended = ++clock
    }
  })
  const over = Promise.all(runs.map(each => each.finally(() => running--)))
  while (running > 0) {
    await turn()
    if (waiting.length > 0) waiting.splice(choose(waiting), 1)[0]!.go()
  }
  await over

  const end = await movingStore({ from: old, to: fresh }).read(ID, context)
  const [inOld, inNew] = [await old.read(ID, context), await fresh.read(ID, context)]
  const what = () =>
    `${history.map(({ process, name, answer, began, ended }) => `${process}: ${name} [${began}, ${ended}] → ${answer}`).join('\n')}\nthen ${text(end)}`
  if (inOld?.payload !== inNew?.payload)
    return `The stores differ: ${text(inOld)}, ${text(inNew)}.\n${what()}`
  const first = start === 'nothing' ? null : begun
  return explained(first, history.flatMap(singly), text(end), history)
    ? undefined
    : `No order explains this.\n${what()}`
}

/** A removal by subject is no single step: as many removals as it counted, and then there was nothing. */
function singly(call: Call): Call[] {
  if (call.name !== 'removeBySubject') return [call]
  const removals = Array.from(
    { length: Number(call.answer) },
    (): Call => ({ ...call, name: 'remove', answer: 'ok' }),
  )
  return [...removals, { ...call, name: 'read', answer: null }]
}

/** Whether some order of the calls explains all results and the last record. Calls that did not overlap keep their order. */
function explained(
  held: SessionRecord | null,
  calls: readonly Call[],
  end: string | null,
  history: readonly Call[],
): boolean {
  if (calls.length === 0) return text(held) === end
  return calls.some((call, n) => {
    if (calls.some(other => other.ended < call.began)) return false
    return outcomes(held, call, history).some(
      ([answer, next]) => answer === call.answer && explained(next, calls.toSpliced(n, 1), end, history),
    )
  })
}

/** What the contract answers to a call, and what is there afterwards. */
function outcomes(
  held: SessionRecord | null,
  call: Call,
  history: readonly Call[],
): [answer: unknown, next: SessionRecord | null][] {
  const { name, record, at } = call
  const live = record.expiresAt > NOW
  const matches = held !== null && held.payload === at
  switch (name) {
    case 'read':
      return [[text(held), held]]
    case 'insert': {
      const taken: [unknown, SessionRecord | null][] = [[false, held]]
      // The id of a session that is being inserted is taken, too.
      const overlaps = history.some(
        ({ name, process, began, ended }) =>
          name === 'insert' && process !== call.process && began < call.ended && ended > call.began,
      )
      return held ? taken : [[true, record], ...(overlaps ? taken : [])]
    }
    case 'replace':
    case 'replace to the past':
      return [matches ? ['ok', live ? record : null] : [held ? 'stale' : 'gone', held]]
    case 'touch':
    case 'touch earlier':
    case 'touch to the past':
      return [matches ? [true, live ? { ...held, expiresAt: record.expiresAt } : null] : [false, held]]
    case 'remove':
      return [[held ? 'ok' : 'gone', null]]
    case 'remove at':
      return [matches ? ['ok', null] : [held ? 'stale' : 'gone', held]]
    case 'removeBySubject':
      return []
  }
}

/** Lets one process run on, and switches to another at random. */
export function randomly(seed: number): Choose {
  let state = seed * 2_654_435_761 + 1
  const random = () => {
    // xorshift32
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
  let current = 0
  return waiting => {
    if (random() < 0.25) current = waiting[Math.floor(random() * waiting.length)]!.process
    const own = waiting.flatMap(({ process }, n) => (process === current ? [n] : []))
    const from = own.length > 0 ? own : waiting.map((_, n) => n)
    return from[Math.floor(random() * from.length)]!
  }
}

/** Orders in which one process runs on and there are at most so many switches to another: all of them, or one in so many. */
export function* everyOrder(switches: number, oneIn = 1): Generator<Choose, void, undefined> {
  const plans: { at: number; to: number }[][] = [[]]
  let taken = 0
  for (let plan = plans.pop(); plan; plan = plans.pop()) {
    if (plan.length > 0 && taken++ % oneIn > 0) continue
    const chosen = plan
    let [step, current] = [0, 0]
    // While an order runs, it is seen where one more switch can be made.
    yield waiting => {
      current = chosen.find(({ at }) => at === step)?.to ?? current
      if (chosen.length < switches && step > (chosen.at(-1)?.at ?? -1)) {
        for (const to of new Set(waiting.map(({ process }) => process)))
          if (to !== current) plans.push([...chosen, { at: step, to }])
      }
      step += 1
      // Of two calls that wait at once, the second is made first: a look may see the old store later than the new one.
      const own = waiting.findLastIndex(({ process }) => process === current)
      if (own < 0) current = waiting[0]!.process
      return Math.max(own, 0)
    }
  }
}
