import type { SessionRecord } from '@sess/core'
import { DoesNotApply } from '../case.ts'
import { equal, fail, outcome, show } from '../check.ts'
import { facts, type StoreCase, type StoreFixture } from '../store-fixture.ts'

/** Records that one store or another rejects: they are in the caller's hand, not in the backend's state. */
function unwelcome(f: StoreFixture): Partial<SessionRecord>[] {
  return [
    { subject: 'ann\0bob' },
    { subject: `half-${'\ud83d'}` },
    { payload: '{"is":"\0"}' },
    { payload: `{"is":"${'\ud83d'}"}` },
    // Only where the store itself says what is too big: anything else may be a gigabyte.
    ...(f.store.maxBytes === undefined ? [] : [{ payload: 'x'.repeat(f.store.maxBytes + 1) }]),
  ]
}

/** Of those, what this store does reject. */
async function rejectedBy(f: StoreFixture): Promise<Partial<SessionRecord>[]> {
  const rejected: Partial<SessionRecord>[] = []
  for (const part of unwelcome(f)) {
    const { error } = await outcome(() => f.store.insert(f.id(), f.record(part), f.context()))
    if (error !== undefined) rejected.push(part)
  }
  if (rejected.length === 0)
    throw new DoesNotApply(
      'the store stores every record, also with U+0000, half a surrogate pair or too many bytes',
    )
  return rejected
}

interface Stored {
  id: string
  record: SessionRecord
  version: string
}

/** A call, its right result, and what should be read afterwards. */
type Good = (
  f: StoreFixture,
  stored: Stored,
) => [call: () => unknown, answer: unknown, after: SessionRecord | null]

const GOOD: Record<string, Good> = {
  insert: (f, { id, record }) => [() => f.store.insert(id, record, f.context()), true, record],
  replace(f, { id, version }) {
    const record = f.record()
    return [() => f.store.replace(id, record, version, f.context()), 'ok', record]
  },
  touch(f, { id, version, record }) {
    const expiresAt = record.expiresAt + 1_000
    return [() => f.store.touch(id, expiresAt, version, f.context()), true, { ...record, expiresAt }]
  },
  remove: (f, { id }) => [() => f.store.remove(id, undefined, f.context()), 'ok', null],
  read: (f, { id, record }) => [async () => facts(await f.store.read(id, f.context())), record, record],
}

export const rejectedCases: readonly StoreCase[] = Object.entries(GOOD).map(([name, good]) => ({
  id: `store/rejected-beside-${name}`,
  family: 'rejected-beside',
  title: `a record that the store rejects harms no ${name} of the same moment`,
  rule: 'Each call is atomic on its own: it fails for reasons of its own, and not because of the call beside it.',
  source: 'docs/design.md#store-contract; docs/conformance-space.md, calls that are rejected',
  why: 'One visitor with an odd name would make the logins, saves and logouts of others fail with 503.',
  async run(f: StoreFixture) {
    for (const part of await rejectedBy(f)) {
      const calls: { call: () => unknown; answer: unknown; after: SessionRecord | null; id: string }[] = []
      for (let n = 0; n < 6; n++) {
        const fresh = {
          id: f.id(),
          record: f.record(n % 2 ? { subject: `user-${f.id()}` } : {}),
          version: '',
        }
        const stored = name === 'insert' ? fresh : await f.stored(fresh.record, fresh.id)
        const [call, answer, after] = good(f, stored)
        calls.push({ call, answer, after, id: fresh.id })
      }
      const { id, version } = await f.stored()
      const bad = [
        () => f.store.insert(f.id(), f.record(part), f.context()),
        () => f.store.replace(id, f.record(part), version, f.context()),
      ]
      // In one tick, with the bad ones in the middle and, the second of them, at the end.
      const begin = ({ call }: { call: () => unknown }) => outcome(call)
      const first = calls.slice(0, 3).map(begin)
      const rejected = [outcome(bad[0] as () => unknown)]
      const last = calls.slice(3).map(begin)
      rejected.push(outcome(bad[1] as () => unknown))
      const outcomes = await Promise.all([...first, ...last])
      for (const { error, value } of await Promise.all(rejected))
        if (error === undefined)
          fail('a record that was rejected to be rejected again', `a call answered ${show(value)}`)
      for (const [n, { answer, after, id }] of calls.entries()) {
        const { value, error } = outcomes[n] as Awaited<ReturnType<typeof begin>>
        const what = `${name}() beside a call with ${show(part)}`
        if (error !== undefined) fail(`${what} to succeed`, `it failed: ${show(error)}`)
        equal(value, answer, `the answer of ${what}`)
        equal(facts(await f.read(id)), after, `what is read after ${what}`)
      }
    }
  },
}))
