import type { SessionRecord, Store } from '@sess/core'
import { equal, fail, show } from '../check.ts'
import { facts, type StoreCase, type StoreFixture } from '../store-fixture.ts'
import { CHECK_REMEDIES } from './check-remedies.ts'

/** The one record that two calls meet, as the contract sees it. `version` 0 is the one that both know. */
type State = (SessionRecord & { version: number }) | null

/** What a store may do either way. */
interface Freedom {
  touchMakesVersion: boolean
}

interface Meeting {
  id: string
  subject: string
  version: string
  /** What the call writes, if it writes. */
  record: SessionRecord
}

interface Call {
  name: string
  needs?: keyof Store
  /** Makes the call and returns what it answered, in a form that can be compared. */
  make(store: Store, f: StoreFixture, meeting: Meeting): Promise<unknown>
  /** What the contract says the call returns, and what is there afterwards. */
  model(state: State, meeting: Meeting, freedom: Freedom): [unknown, State]
}

const written = (state: State, record: SessionRecord): State => ({
  ...record,
  version: (state?.version ?? 0) + 1,
})
const seen = (state: State) => (state ? facts(state) : null)

async function findIn(entries: AsyncIterable<SessionRecord & { id: string }> | undefined, id: string) {
  let found: SessionRecord | null = null
  for await (const entry of entries ?? []) if (entry.id === id) found = facts(entry)
  return found
}

const CALLS: readonly Call[] = [
  {
    name: 'read',
    make: async (store, f, { id }) => facts(await store.read(id, f.context())),
    model: state => [seen(state), state],
  },
  {
    name: 'insert',
    make: async (store, f, { id, record }) => await store.insert(id, { ...record }, f.context()),
    model: (state, { record }) => (state ? [false, state] : [true, { ...record, version: 7 }]),
  },
  {
    name: 'replace',
    make: async (store, f, { id, record, version, subject }) =>
      await store.replace(id, { ...record, subject }, version, f.context()),
    model: (state, { record, subject }) =>
      !state
        ? ['gone', null]
        : state.version === 0
          ? ['ok', written(state, { ...record, subject })]
          : ['stale', state],
  },
  {
    name: 'switch',
    make: async (store, f, { id, record, version }) =>
      await store.replace(id, { ...record }, version, f.context()),
    model: (state, { record }) =>
      !state ? ['gone', null] : state.version === 0 ? ['ok', written(state, record)] : ['stale', state],
  },
  {
    name: 'touch',
    make: async (store, f, { id, record, version }) =>
      await store.touch(id, record.expiresAt, version, f.context()),
    model: (state, { record }, { touchMakesVersion }) =>
      state?.version === 0
        ? [true, { ...state, expiresAt: record.expiresAt, version: touchMakesVersion ? 1 : 0 }]
        : [false, state],
  },
  {
    name: 'remove',
    make: async (store, f, { id }) => await store.remove(id, undefined, f.context()),
    model: state => [state ? 'ok' : 'gone', null],
  },
  {
    name: 'remove-at',
    make: async (store, f, { id, version }) => await store.remove(id, version, f.context()),
    model: state => (!state ? ['gone', null] : state.version === 0 ? ['ok', null] : ['stale', state]),
  },
  {
    name: 'remove-by-subject',
    needs: 'removeBySubject',
    make: async (store, f, { subject }) => await store.removeBySubject?.(subject, f.context()),
    model: (state, { subject }) => (state?.subject === subject ? [1, null] : [0, state]),
  },
  {
    name: 'scan-by-subject',
    needs: 'scanBySubject',
    make: (store, f, { id, subject }) => findIn(store.scanBySubject?.(subject, f.context()), id),
    model: (state, { subject }) => [state?.subject === subject ? seen(state) : null, state],
  },
  {
    name: 'scan',
    needs: 'scan',
    make: (store, f, { id }) => findIn(store.scan?.(f.context()), id),
    model: state => [seen(state), state],
  },
  {
    name: 'clear-expired',
    needs: 'clearExpired',
    async make(store, f) {
      for await (const _ of store.clearExpired?.(f.context()) ?? []);
      return 'done'
    },
    model: state => ['done', state],
  },
]

/** Everything that two calls may come to, in whatever order they happen: what they return and what is there at the end. */
function outcomes(
  calls: readonly [Call, Call],
  meetings: readonly [Meeting, Meeting],
  start: State,
): string[] {
  const all = new Set<string>()
  for (const touchMakesVersion of [false, true]) {
    for (const [first, second] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const [answer, between] = calls[first].model(start, meetings[first], { touchMakesVersion })
      const [next, end] = calls[second].model(between, meetings[second], { touchMakesVersion })
      const answers = first === 0 ? [answer, next] : [next, answer]
      all.add(text([...answers, seen(end)]))
    }
  }
  return [...all]
}

/** In one order of names, so that equal outcomes are equal texts. */
function text(outcome: unknown): string {
  return JSON.stringify(outcome, (_, value) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  )
}

async function meet(f: StoreFixture, calls: readonly [Call, Call], round: number): Promise<void> {
  const id = f.id()
  const subject = `user-${id}`
  // In several of a backend’s pieces, each of one letter, so that a mixture is seen.
  const size = Math.min(f.maxBytes, round % 3 === 2 ? 40_000 : 20)
  const recordOf = (letter: string, n: number): SessionRecord => ({
    payload: letter.repeat(size),
    expiresAt: f.clock.now() + 3_600_000 + n,
  })
  const absent = round % 4 === 3 && calls.some(({ name }) => name === 'insert')
  let version = 'none'
  let start: State = null
  if (!absent) {
    const first = { ...recordOf('a', 1), subject }
    equal(await f.store.insert(id, first, f.context()), true, 'the answer of insert()')
    version = (await f.readLive(id, 'a record just inserted')).version
    start = { ...first, version: 0 }
  }
  const meetings = [
    { id, subject, version, record: recordOf('b', 2) },
    { id, subject, version, record: recordOf('c', 3) },
  ] as const
  const stores = round % 2 ? ([f.store, f.other] as const) : ([f.other, f.store] as const)
  const order = round % 4 < 2 ? ([0, 1] as const) : ([1, 0] as const)
  const answers = await Promise.all(
    ([0, 1] as const).map(async n => {
      if (order[0] === n) await f.jitter()
      else for (let tick = 0; tick < round; tick++) await null
      return await calls[n].make(stores[n], f, meetings[n])
    }),
  )
  const end = facts(await f.read(id))
  const there = facts(await f.other.read(id, f.context()))
  if (text(there) !== text(end)) {
    fail(
      'two store objects to read the same afterwards',
      `one read ${shown(text(end))}, another one ${shown(text(there))}`,
      CHECK_REMEDIES.cache,
    )
  }
  const possible = outcomes(calls, meetings, start)
  if (possible.includes(text([...answers, end]))) return
  const [one, two] = calls
  fail(
    `${one.name} and ${two.name} to come to what one after the other would: ${possible.map(shown).join(' or ')}`,
    `they came to ${shown(text([...answers, end]))}`,
  )
}

/** Without the lengths of payloads. */
function shown(outcome: string): string {
  return show(outcome.replace(/([abc])\1{8,}/g, '$1…'))
    .slice(1, -1)
    .replaceAll('\\"', '"')
}

export const pairCases: readonly StoreCase[] = CALLS.flatMap((one, at) =>
  CALLS.slice(at).map(
    (two): StoreCase => ({
      id: `store/overlap-${one.name}-${two.name}`,
      family: 'overlap',
      title: `${one.name} that overlaps ${two.name} comes to what one after the other would`,
      rule: 'Each call is atomic on its own: two that overlap happen one after the other, in some order.',
      source: 'docs/design.md#store-contract; docs/conformance-space.md, overlap',
      why: 'Two requests of one visitor at the same moment would lose data, or bring back a session that has ended.',
      skip({ store }) {
        const missing = [one, two].flatMap(({ needs }) =>
          needs && typeof store[needs] !== 'function' ? [needs] : [],
        )
        return missing.length > 0
          ? `the store offers no ${[...new Set(missing)].map(name => `${name}()`).join(', ')}`
          : undefined
      },
      async run(f) {
        for (let round = 0; round < (f.quick ? 2 : 12); round++) await meet(f, [one, two], round)
      },
    }),
  ),
)
