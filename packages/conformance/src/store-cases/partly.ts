import { equal, outcome } from '../check.ts'
import { withoutMeans } from '../means.ts'
import { type FailKind, type StoreCase, type StoreFixture, without } from '../store-fixture.ts'
import { eachOf } from './everywhere.ts'
import { attempt, WRITES } from './faults.ts'
import { inTime } from './neighbours.ts'

/** A backend that fails amid a call: only what writes fails, or what comes after some calls that worked. */
const MOMENTS: readonly [FailKind, number][] = [
  ['read-only', 0],
  ['read-only', 1],
  ['out-of-memory', 1],
  ['too-many-connections', 2],
  ['loading', 3],
  ['read-only', 5],
]

const momentsOf = (f: StoreFixture) => (f.quick ? MOMENTS.slice(0, 4) : MOMENTS)

/** What the call comes to while the backend fails in part. `undefined`: the backend has no such error. */
async function amid(
  f: StoreFixture,
  [kind, after]: (typeof MOMENTS)[number],
  what: string,
  call: () => unknown,
) {
  if (!(await f.fail?.(kind, { after }))) return undefined
  try {
    return await inTime(f, what, () => outcome(call))
  } finally {
    await f.healBackend?.()
  }
}

const drained = async <T>(entries: AsyncIterable<T> | undefined): Promise<T[]> => {
  const all: T[] = []
  for await (const entry of entries ?? []) all.push(entry)
  return all
}

const RULE =
  'Whatever error the backend answers, and at whatever step of a call: the call rejects, or its result is true.'
const SOURCE =
  'docs/design.md#store-contract, docs/requirements.md#f2; docs/conformance-space.md, what needs help of the factory'

/** More than a page, so that the second one can fail. */
const moreThanAPage = (f: StoreFixture) => Math.min(1_100, (f.pageSize ?? 100) + 10)

const scanned = (method: 'scan' | 'scanBySubject', name: string, why: string): StoreCase => ({
  id: `store/fails-partly-${name}`,
  title: `a ${method} whose later pages fail rejects, or gives all [F2]`,
  rule: RULE,
  source: `docs/design.md#store-${method === 'scan' ? 'scan' : 'subject'}, ${SOURCE}`,
  why,
  skip: f => without(method)(f) ?? withoutMeans('errors')(f),
  async run(f) {
    const subject = `user-${f.id()}`
    const ids = await eachOf(
      Array.from({ length: moreThanAPage(f) }, () => f.id()),
      async id => {
        equal(await f.store.insert(id, f.record({ subject }), f.context()), true, 'the answer of insert()')
        return id
      },
      50,
    )
    for (const [kind, after] of momentsOf(f)) {
      const entries = () =>
        method === 'scan' ? f.store.scan?.(f.context()) : f.store.scanBySubject?.(subject, f.context())
      const settled = await amid(f, [kind, after], `${method}() while the backend fails`, () =>
        drained(entries()),
      )
      if (settled === undefined || settled.error !== undefined) continue
      const seen = new Set((settled.value as { id: string }[]).map(({ id }) => id))
      const missing = ids.filter(id => !seen.has(id)).length
      equal(
        missing,
        0,
        `the number of records that a ${method}() missed which did not reject (${kind} after ${after} calls)`,
      )
    }
  },
})

const writes: StoreCase = {
  id: 'store/fails-partly-write',
  title: 'a write of several steps whose later steps fail rejects, or is done [F2]',
  rule: RULE,
  source: SOURCE,
  why: 'A login would answer 200 while its session was not stored, because only its entry in the index was.',
  skip: withoutMeans('errors'),
  async run(f) {
    for (const [kind, after] of momentsOf(f)) {
      for (const write of WRITES) {
        let isOffered = true
        await attempt(
          f,
          write,
          `to a backend that fails (${kind} after ${after} calls)`,
          async () => {
            isOffered = (await f.fail?.(kind, { after })) ?? false
          },
          () => f.healBackend?.(),
          { subject: `user-${f.id()}` },
        )
        if (!isOffered) break
      }
    }
  },
}

/** Calls of several steps, while some of the steps fail. */
export const partlyCases: readonly StoreCase[] = [
  writes,
  {
    id: 'store/fails-partly-remove-by-subject',
    title:
      'a removeBySubject whose removals fail, while its look works, rejects or has removed all [A24, F2]',
    rule: RULE,
    source: `docs/design.md#store-subject, docs/requirements.md#a24, ${SOURCE}`,
    why: '"Log out everywhere" would report success during a failover, and leave a phone signed in.',
    skip: f => without('removeBySubject')(f) ?? withoutMeans('errors')(f),
    async run(f) {
      for (const [kind, after] of momentsOf(f)) {
        const subject = `user-${f.id()}`
        const theirs = []
        for (let n = 0; n < 6; n++) theirs.push(await f.stored({ subject }))
        const settled = await amid(f, [kind, after], 'removeBySubject() while the backend fails', () =>
          f.store.removeBySubject?.(subject, f.context()),
        )
        if (settled === undefined) continue
        const when = `(${kind} after ${after} calls)`
        if (settled.error === undefined) {
          for (const { id } of theirs)
            equal(await f.read(id), null, `what is read after removeBySubject() that did not reject ${when}`)
          equal(settled.value, theirs.length, `the answer of removeBySubject() that did not reject ${when}`)
        }
        await f.store.removeBySubject?.(subject, f.context())
        for (const { id } of theirs)
          equal(await f.read(id), null, `what is read after another removeBySubject() in health ${when}`)
      }
    },
  },
  {
    id: 'store/fails-partly-clear-expired',
    title: 'a clearExpired whose removals fail, while its look works, rejects or has removed all [F2, F25]',
    rule: RULE,
    source: `docs/design.md#store-clear-expired, docs/requirements.md#f25, ${SOURCE}`,
    why: 'The nightly clean-up would report success and remove nothing, and the table would grow for ever.',
    skip: f => without('clearExpired')(f) ?? withoutMeans('errors')(f),
    async run(f) {
      const clear = () => drained(f.store.clearExpired?.({ ...f.context(), batchSize: 4 }))
      const sum = (batches: { removed: number }[]) =>
        batches.reduce((total, { removed }) => total + removed, 0)
      for (const [kind, after] of momentsOf(f)) {
        const when = `(${kind} after ${after} calls)`
        const old = []
        for (let n = 0; n < 6; n++)
          old.push(await f.stored({ subject: `user-${n}`, expiresAt: f.clock.now() + f.clock.life }))
        await f.clock.advance(f.clock.life)
        const settled = await amid(f, [kind, after], 'clearExpired() while the backend fails', clear)
        const rest = sum(await clear())
        if (settled !== undefined && settled.error === undefined)
          equal(rest, 0, `what clearExpired() left that did not reject ${when}`)
        equal(sum(await clear()), 0, `what another clearExpired() in health left ${when}`)
      }
    },
  },
  scanned(
    'scan',
    'scan',
    '`sess list`, and what removes by it, would see a part of the sessions and report success.',
  ),
  scanned(
    'scanBySubject',
    'scan-by-subject',
    'The page of devices would hide sessions during a failover, and a limit of sessions would let more in.',
  ),
]
