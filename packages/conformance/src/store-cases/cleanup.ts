import { equal, ok, outcome } from '../check.ts'
import { facts, type StoreCase, type StoreFixture, without } from '../store-fixture.ts'
import { meanwhile, spreads } from './meanwhile.ts'

async function cleared(f: StoreFixture, batchSize?: number): Promise<number[]> {
  const batches: number[] = []
  const options = { ...f.context(), ...(batchSize === undefined ? {} : { batchSize }) }
  for await (const { removed } of f.store.clearExpired?.(options) ?? []) batches.push(removed)
  return batches
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)

export const cleanupCases: readonly StoreCase[] = [
  {
    id: 'store/clear-expired',
    title: 'clearExpired removes the expired records, no live one, and returns how many',
    rule: 'Removes expired records in batches and reports after each batch.',
    source: 'docs/design.md#store-clear-expired, docs/requirements.md#f25',
    why: 'Cleaning up would log visitors out, or never free any space.',
    skip: without('clearExpired'),
    async run(f) {
      const live = []
      const old = []
      for (let n = 0; n < 12; n++) {
        live.push(await f.stored({ expiresAt: f.clock.now() + f.clock.life + 1_000 + n }))
        old.push(await f.stored({ expiresAt: f.clock.now() + f.clock.life }))
      }
      await f.clock.advance(f.clock.life)
      const removed = sum(await cleared(f))
      ok(removed >= 12, 'clearExpired() to report the 12 expired records', `it reported ${removed}`)
      equal(sum(await cleared(f)), 0, 'what a second clearExpired() reports')
      for (const { id, record } of live) {
        equal((await f.readLive(id, 'a live record')).payload, record.payload, 'its payload')
      }
      for (const { id } of old) {
        equal(
          await f.store.insert(id, f.record(), f.context()),
          true,
          'insert() under the id of a cleared record',
        )
      }
    },
  },
  {
    id: 'store/clear-expired-batches',
    title: 'clearExpired works in batches of at most batchSize, each reported [F25]',
    rule: 'Records a batch at the most; reports after each batch.',
    source: 'docs/design.md#store-clear-expired, docs/requirements.md#f25',
    why: 'Cleaning up millions of sessions would lock the table, and the site, for minutes.',
    skip: without('clearExpired'),
    async run(f) {
      for (let n = 0; n < 10; n++) await f.stored({ expiresAt: f.clock.now() + f.clock.life })
      await f.clock.advance(f.clock.life)
      const batches = await cleared(f, 3)
      ok(sum(batches) >= 10, 'the batches to report the 10 expired records', `they reported ${sum(batches)}`)
      const biggest = Math.max(...batches)
      ok(biggest <= 3, 'no batch of more than batchSize 3', `one had ${biggest}`)
    },
  },
  {
    id: 'store/clear-expired-resumes',
    title:
      'a clearExpired that is left after a batch has removed just that batch, and another call continues',
    rule: 'In batches: what comes after the batch reported last is not touched until the caller asks.',
    source: 'docs/design.md#store-clear-expired, docs/requirements.md#f25',
    why: 'A clean-up with a time limit could not stop, or would start anew each night and never finish.',
    skip: without('clearExpired'),
    async run(f) {
      for (let n = 0; n < 9; n++) await f.stored({ expiresAt: f.clock.now() + f.clock.life })
      await f.clock.advance(f.clock.life)
      let first = 0
      for await (const { removed } of f.store.clearExpired?.({ ...f.context(), batchSize: 2 }) ?? []) {
        first += removed
        if (first > 0) break
      }
      const rest = sum(await cleared(f, 2))
      ok(first <= 2, 'the first batch to remove 2 at the most', `it removed ${first}`)
      ok(
        first + rest >= 9,
        'both calls together to remove the 9 expired records',
        `they removed ${first + rest}`,
      )
      const { id, version } = await f.stored()
      equal(
        await f.store.replace(id, f.record(), version, f.context()),
        'ok',
        'the answer of replace() after that',
      )
    },
  },
  ...(['break', 'abort'] as const).map(
    (way): StoreCase => ({
      id: `store/clear-expired-left-by-${way}`,
      title: `a clearExpired that is left by ${way === 'break' ? 'break' : 'an aborted signal'} takes no write along that was answered meanwhile`,
      rule: 'Each call is atomic on its own. What was answered between two batches holds, also if no further batch is asked for.',
      source: 'docs/design.md#store-contract, docs/design.md#store-clear-expired, docs/requirements.md#f25',
      why: 'A clean-up that a time limit ends would undo logins, saves and logouts of which the users were told that they are done.',
      skip: without('clearExpired'),
      async run(f) {
        for (const writer of f.hasSecond ? [f.store, f.other] : [f.store]) {
          for (let n = 0; n < 5; n++) await f.stored({ expiresAt: f.clock.now() + f.clock.life })
          await f.clock.advance(f.clock.life)
          const [replaced, removed, touched] = [await f.stored(), await f.stored(), await f.stored()]
          const [inserted, first, second] = [f.id(), f.record(), f.record()]
          const context = f.context()
          const abort = new AbortController()
          const whose = writer === f.store ? 'the same store' : 'another store'
          const when = `by ${whose} between two batches of clearExpired()`
          let batches = 0
          const clear = async () => {
            const options = { ...context, batchSize: 2, signal: abort.signal }
            for await (const _ of f.store.clearExpired?.(options) ?? []) {
              if (batches++ > 0) continue
              equal(await writer.insert(inserted, first, context), true, `insert() ${when}`)
              equal(
                await writer.replace(replaced.id, second, replaced.version, context),
                'ok',
                `replace() ${when}`,
              )
              equal(await writer.remove(removed.id, undefined, context), 'ok', `remove() ${when}`)
              const later = touched.record.expiresAt + 1_000
              equal(await writer.touch(touched.id, later, touched.version, context), true, `touch() ${when}`)
              if (way === 'break') break
              abort.abort(new Error('nobody waits'))
            }
          }
          const { error } = await outcome(clear)
          if (error !== undefined && !abort.signal.aborted) throw error
          ok(batches > 0, 'clearExpired() to report a batch of the expired records', 'it reported none')
          for (const [reader, who] of [
            [f.store, 'the same store'],
            [f.other, 'another store'],
          ] as const) {
            const read = async (id: string) => facts(await reader.read(id, context))
            const after = `that ${who} reads after clearExpired() was left`
            equal(await read(inserted), facts(first), `the record inserted ${when}, ${after}`)
            equal(await read(replaced.id), facts(second), `the record replaced ${when}, ${after}`)
            equal(await read(removed.id), null, `the record removed ${when}, ${after}`)
            equal(
              (await read(touched.id))?.expiresAt,
              touched.record.expiresAt + 1_000,
              `the expiry set ${when}, ${after}`,
            )
          }
        }
      },
    }),
  ),
  {
    id: 'store/clear-expired-spares-renewed',
    title: 'clearExpired never removes a record that was renewed meanwhile [C3]',
    rule: 'Never one that was renewed meanwhile.',
    source: 'docs/design.md#store-clear-expired, docs/requirements.md#c3; spring-session 93',
    why: 'A visitor would be logged out at random while the nightly clean-up runs.',
    skip: without('clearExpired'),
    async run(f) {
      const expiresAt = f.clock.now() + f.clock.life
      const old = []
      for (let n = 0; n < 12; n++) old.push(await f.stored({ expiresAt }))
      await f.clock.advance(f.clock.life)
      // Another server, whose clock is a little behind, extends every other session while the batches go on.
      const behind = { now: expiresAt - 1 }
      const renewed = new Set<string>()
      let first = true
      for await (const _ of f.store.clearExpired?.({ ...f.context(), batchSize: 1 }) ?? []) {
        if (!first) continue
        first = false
        for (const [n, { id, version }] of old.entries()) {
          if (n % 2 === 0 && (await f.other.touch(id, expiresAt + 3_600_000, version, behind)))
            renewed.add(id)
          else if (await f.other.insert(id, f.record(), f.context())) renewed.add(id)
        }
      }
      ok(renewed.size > 0, 'some sessions to be renewed during the clean-up', 'none was')
      for (const id of renewed) await f.readLive(id, 'a session that was renewed during the clean-up')
    },
  },
  {
    id: 'store/clear-expired-races-renewal',
    title: 'a record that is renewed while clearExpired is at its very batch stays [C3]',
    rule: 'Never one that was renewed meanwhile: neither between two batches nor within one.',
    source:
      'docs/design.md#store-clear-expired, docs/requirements.md#c3, docs/requirements.md#f25; spring-session 93',
    why: 'A visitor who was told that the session goes on would be logged out by the nightly clean-up.',
    skip: without('clearExpired'),
    async run(f) {
      const expiresAt = f.clock.now() + f.clock.life
      const old = () => Promise.all(Array.from({ length: 12 }, () => f.stored({ expiresAt })))
      const clear = async () => {
        for await (const _ of f.store.clearExpired?.({ now: expiresAt, batchSize: 100 }) ?? []);
      }
      await clear()
      await old()
      for (const spread of await spreads(clear)) {
        const records = await old()
        // Another server, whose clock is a little behind, extends them.
        const renewals = records.map(
          ({ id, version }) =>
            () =>
              f.other.touch(id, expiresAt + 3_600_000, version, { now: expiresAt - 1 }),
        )
        const renewed = await meanwhile(clear, renewals, spread)
        for (const [n, { id }] of records.entries()) {
          if (!renewed[n]) continue
          const found = await f.store.read(id, { now: expiresAt + 1 })
          ok(found !== null, 'a record to live on whose touch() answered true', 'it was cleared away')
        }
      }
    },
  },
  {
    id: 'store/clear-expired-amid-writers',
    title: 'clearExpired amid inserts, replaces and touches disturbs nobody',
    rule: 'Each call is atomic on its own.',
    source: 'docs/design.md#store-clear-expired, docs/requirements.md#f25',
    why: 'Saves would fail, or vanish, while the clean-up runs.',
    skip: without('clearExpired'),
    async run(f) {
      for (let n = 0; n < 10; n++) await f.stored({ expiresAt: f.clock.now() + f.clock.life })
      const live = []
      for (let n = 0; n < 10; n++) live.push(await f.stored())
      await f.clock.advance(f.clock.life)
      const writes = live.map(async ({ id, version }, n) => {
        const store = n % 2 ? f.store : f.other
        const record = f.record()
        equal(
          await store.replace(id, record, version, f.context()),
          'ok',
          'the answer of replace() amid a clean-up',
        )
        const fresh = f.id()
        equal(
          await store.insert(fresh, f.record(), f.context()),
          true,
          'the answer of insert() amid a clean-up',
        )
        return { id, fresh, payload: record.payload }
      })
      const [batches, written] = await Promise.all([cleared(f, 2), Promise.all(writes)])
      ok(sum(batches) >= 10, 'clearExpired() to report the 10 expired records', `it reported ${sum(batches)}`)
      for (const { id, fresh, payload } of written) {
        equal((await f.readLive(id, 'a record replaced amid a clean-up')).payload, payload, 'its payload')
        await f.readLive(fresh, 'a record inserted amid a clean-up')
      }
    },
  },
]
