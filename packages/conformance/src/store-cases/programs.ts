import type { SessionRecord, Store } from '@sess/core'
import * as fc from 'fast-check'
import { CaseFailure, equal, show } from '../check.ts'
import { facts, type StoreCase, type StoreFixture } from '../store-fixture.ts'

const IDS = 2
const CALLS = ['read', 'insert', 'replace', 'touch', 'remove', 'remove at', 'removeBySubject'] as const

interface Step {
  call: (typeof CALLS)[number]
  /** Which store object. */
  who: number
  id: number
  /** At a version from before, if there was one. */
  old: boolean
  subject: number
  /** Turns that the call begins after the others of its round. */
  late: number
}

/** Rounds of calls. The calls of one round run at once; the next round begins when all have answered. */
type Program = Step[][]

const step: fc.Arbitrary<Step> = fc.record({
  call: fc.constantFrom(...CALLS),
  who: fc.nat(1),
  id: fc.nat(IDS - 1),
  old: fc.nat(4).map(n => n === 4),
  subject: fc.nat(2),
  late: fc.nat(6),
})
const programs: fc.Arbitrary<Program> = fc.array(fc.array(step, { minLength: 1, maxLength: 3 }), {
  minLength: 1,
  maxLength: 10,
})

/** What is under an id. A version that the model cannot know, of a write of this round, is a number. */
type Held = (SessionRecord & { version: string | number }) | null

interface Done {
  step: Step
  version: string
  record: SessionRecord
  answer: unknown
}

/** What the contract answers to a call, and what is there afterwards. */
function follow(
  world: readonly Held[],
  { step, version, record }: Done,
  fresh: number,
  touchMakesVersion: boolean,
): [unknown, Held[]] {
  const held = world[step.id] ?? null
  const next = [...world]
  const put = (value: Held) => {
    next[step.id] = value
  }
  const at = held?.version === version
  switch (step.call) {
    case 'read':
      return [held ? facts(held) : null, next]
    case 'insert':
      if (held) return [false, next]
      put({ ...record, version: fresh })
      return [true, next]
    case 'replace':
      if (!held) return ['gone', next]
      if (!at) return ['stale', next]
      put({ ...record, version: fresh })
      return ['ok', next]
    case 'touch':
      if (!held || !at) return [false, next]
      put({ ...held, expiresAt: record.expiresAt, version: touchMakesVersion ? fresh : held.version })
      return [true, next]
    case 'remove':
    case 'remove at':
      if (!held) return ['gone', next]
      if (step.call === 'remove at' && !at) return ['stale', next]
      put(null)
      return ['ok', next]
    case 'removeBySubject': {
      const theirs = world.filter(
        each => each?.subject !== undefined && each.subject === record.subject,
      ).length
      return [
        theirs,
        world.map(each => (each?.subject !== undefined && each.subject === record.subject ? null : each)),
      ]
    }
  }
}

/** Whether the calls, in some order, answer and leave what was seen. */
function explained(
  world: readonly Held[],
  calls: readonly Done[],
  end: readonly (SessionRecord | null)[],
): boolean {
  if (calls.length === 0)
    return world.every((held, id) => text(held && facts(held)) === text(end[id] ?? null))
  return calls.some((call, n) =>
    [false, true].some(touchMakesVersion => {
      const [answer, next] = follow(world, call, calls.length, touchMakesVersion)
      return text(answer) === text(call.answer) && explained(next, calls.toSpliced(n, 1), end)
    }),
  )
}

function text(value: unknown): string {
  return JSON.stringify(value, (_, each) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  )
}

const named = (n: number) => (n === 0 ? undefined : `subject-${n}`)

/** Runs a program on fresh ids. Throws with the program, as code, where no order explains what happened. */
async function run(f: StoreFixture, program: Program): Promise<void> {
  const ids = Array.from({ length: IDS }, () => f.id())
  const stores = [f.store, f.other]
  const seen = ids.map((): string[] => [])
  let world: Held[] = ids.map(() => null)
  let payloads = 0
  const lines: string[] = []

  for (const steps of program) {
    // One that removes from several records is many calls to the others, so it is alone in its round.
    const many = steps.find(({ call }) => call === 'removeBySubject')
    const round = many ? (f.store.removeBySubject ? [many] : []) : steps
    const calls = round.map((step): Done => {
      const current = world[step.id]?.version
      const older = (seen[step.id] ?? []).filter(version => version !== current)
      const version =
        step.old && older.length > 0 ? (older.at(-1) ?? '') : String(current ?? older.at(-1) ?? 'none')
      const subject = named(step.subject)
      const record = {
        payload: `payload ${++payloads}`,
        expiresAt: f.clock.now() + 3_600_000 + payloads,
        // Of this run alone.
        ...(subject !== undefined && { subject: `${subject}-${ids[0]}` }),
      }
      return { step, version, record, answer: undefined }
    })
    await Promise.all(
      calls.map(async call => {
        for (let turn = 0; turn < call.step.late; turn++) await null
        call.answer = await make(stores[call.step.who] ?? f.store, ids[call.step.id] ?? '', call, f)
      }),
    )
    const found = await Promise.all(
      ids.map(async (id, n) => await (n % 2 ? f.other : f.store).read(id, f.context())),
    )
    lines.push(asCode(calls, ids), `// then there is ${show(found.map(each => each && facts(each)))}`)
    if (!explained(world, calls, found.map(facts))) {
      throw new CaseFailure(
        'some order of the calls of each round to explain every answer and what is there afterwards',
        `none explains the last round of this program (store a and b on one backend):\n${lines.join('\n')}`,
      )
    }
    world = found.map(each => each && { ...(facts(each) as SessionRecord), version: each.version })
    for (const [n, each] of found.entries())
      if (each && !seen[n]?.includes(each.version)) seen[n]?.push(each.version)
  }
}

async function make(
  store: Store,
  id: string,
  { step, version, record }: Done,
  f: StoreFixture,
): Promise<unknown> {
  const context = f.context()
  switch (step.call) {
    case 'read':
      return facts(await store.read(id, context))
    case 'insert':
      return await store.insert(id, record, context)
    case 'replace':
      return await store.replace(id, record, version, context)
    case 'touch':
      return await store.touch(id, record.expiresAt, version, context)
    case 'remove':
      return await store.remove(id, undefined, context)
    case 'remove at':
      return await store.remove(id, version, context)
    case 'removeBySubject':
      return record.subject === undefined ? 0 : await store.removeBySubject?.(record.subject, context)
  }
}

/** A round as JavaScript that can be pasted, with what was answered. */
function asCode(calls: readonly Done[], ids: readonly string[]): string {
  const lines = calls.map(({ step, version, record, answer }) => {
    const quote = (value: unknown) => JSON.stringify(value)
    const args = {
      read: [],
      insert: [record],
      replace: [record, version],
      touch: [record.expiresAt, version],
      remove: [],
      'remove at': [version],
      removeBySubject: [record.subject],
    }[step.call]
    const method = step.call === 'remove at' ? 'remove' : step.call
    const all = method === 'removeBySubject' ? args : [ids[step.id], ...args]
    return `  ${step.who === 0 ? 'a' : 'b'}.${method}(${all.map(quote).join(', ')}), // answered ${show(answer)}`
  })
  return `await Promise.all([\n${lines.join('\n')}\n])`
}

export const programCases: readonly StoreCase[] = [
  {
    id: 'store/random-programs',
    title: 'random programs of overlapping calls by two store objects can each be explained by some order',
    rule: 'Each call is atomic on its own: the contract as a whole, under concurrency (linearizability).',
    source: 'docs/design.md#store-contract; docs/conformance-space.md, random programs',
    why: 'Rules that hold for two calls, but not for three, show up as sessions lost at random.',
    random: true,
    async run(f) {
      // About forty calls one after the other.
      const runs = Math.floor(6_000 / (40 * Math.max(0.05, await f.pace())))
      const result = await fc.check(
        fc.asyncProperty(programs, program => run(f, program)),
        {
          seed: f.seed | 0,
          numRuns: Math.max(3, Math.min(f.quick ? 8 : 100, runs)),
          interruptAfterTimeLimit: 25_000,
        },
      )
      if (!result.failed || result.counterexample === null) return
      const error = result.errorInstance
      if (error instanceof CaseFailure) throw error
      equal(show(error), 'no error', 'what a random program threw')
    },
  },
]
