import type { StoredEntry } from '@sess/core'
import { equal, ok } from '../check.ts'
import { facts, type StoreCase, type StoreFixture, without } from '../store-fixture.ts'
import { eachOf } from './everywhere.ts'

async function scanned(f: StoreFixture): Promise<Map<string, StoredEntry>> {
  const entries = new Map<string, StoredEntry>()
  for await (const entry of f.store.scan?.(f.context()) ?? []) entries.set(entry.id, entry)
  return entries
}

export const scanCases: readonly StoreCase[] = [
  {
    id: 'store/scan',
    title: 'scan gives every live record with its id, and no expired one',
    rule: 'Every live record, in no order, each at least once.',
    source: 'docs/design.md#store-scan',
    why: '`sess list` would show sessions that ended, or hide live ones.',
    skip: without('scan'),
    async run(f) {
      const live = []
      for (let n = 0; n < 30; n++) live.push(await f.stored(n % 3 ? {} : { subject: `user-${n}` }))
      const expired = await f.stored({ expiresAt: f.clock.now() + f.clock.life })
      const removed = await f.stored()
      await f.store.remove(removed.id, undefined, f.context())
      await f.clock.advance(f.clock.life)
      const entries = await scanned(f)
      for (const { id } of live) {
        const entry = entries.get(id)
        ok(entry !== undefined, 'each of 30 live records in the scan', 'one was missing')
        const found = await f.readLive(id, 'a record')
        equal(
          [facts(entry), entry.version],
          [facts(found), found.version],
          'an entry, compared with what read() gives',
        )
      }
      equal(entries.has(expired.id), false, 'whether an expired record is in the scan')
      equal(entries.has(removed.id), false, 'whether a removed record is in the scan')
    },
  },
  {
    id: 'store/count',
    title: 'count tells live records from expired ones, and stops at its limit',
    rule: 'How many records are live, and how many have expired and are still there, each up to the limit.',
    source: 'docs/design.md#store-count',
    why: 'The inspector would show sessions that ended, or read a whole table to show a number.',
    skip: without('count'),
    async run(f) {
      const count = async (limit: number) => f.store.count!({ ...f.context(), limit })
      for (let n = 0; n < 7; n++) await f.stored(n % 2 ? {} : { subject: `user-${n}` })
      await f.stored({ expiresAt: f.clock.now() + f.clock.life })
      await f.clock.advance(f.clock.life)
      equal((await count(3)).live, 3, 'live records with a limit of 3')
      if (f.store.clearExpired && !f.clock.ofBackend) {
        // Somebody else may clear the same backend just now.
        let expired = 0
        for (let attempt = 0; attempt < 5 && expired < 3; attempt++) {
          for (let n = 0; n < 5; n++) await f.stored({ expiresAt: f.clock.now() + 1_000 })
          await f.clock.advance(1_000)
          expired = (await count(3)).expired
        }
        equal(expired, 3, 'expired records with a limit of 3')
      }
      if (f.store.scan === undefined) return
      // Others may write to the same backend. Then the two scans differ, and nothing can be said.
      const before = (await scanned(f)).size
      const { live } = await count(1_000_000)
      const after = (await scanned(f)).size
      if (before === after) equal(live, before, 'live records, compared with a scan')
    },
  },
  {
    id: 'store/scan-while-writing',
    title: 'a scan amid writes gives each record that lives throughout, and ends',
    rule: 'Each at least once if it lives throughout.',
    source: 'docs/design.md#store-scan',
    why: 'Looking at the sessions of a busy site would fail, miss some, or never end.',
    skip: without('scan'),
    async run(f) {
      const live = []
      for (let n = 0; n < 20; n++) live.push(await f.stored())
      const doomed = await f.stored()
      const seen = new Set<string>()
      let writes = 0
      for await (const { id } of f.store.scan?.(f.context()) ?? []) {
        seen.add(id)
        if (writes++ >= 40) continue
        await f.other.insert(f.id(), f.record(), f.context())
        const { id: target } = live[writes % live.length] ?? doomed
        const found = await f.other.read(target, f.context())
        if (found) await f.other.replace(target, f.record(), found.version, f.context())
        if (writes === 1) await f.other.remove(doomed.id, undefined, f.context())
      }
      equal(live.filter(({ id }) => !seen.has(id)).length, 0, 'the number of records that the scan missed')
    },
  },
  {
    id: 'store/scan-while-extended',
    title: 'a scan gives a record whose end is moved meanwhile, before or behind the ends of all others',
    rule: 'Each at least once if it lives throughout. Pages go by something that does not change, such as the id.',
    source: 'docs/design.md#store-scan; pages by expires_at',
    why: 'A session that is extended or shortened during a move to another store would be lost.',
    skip: without('scan'),
    async run(f) {
      const count = f.quick ? 250 : Math.max(600, 2 * (f.pageSize ?? 0) + 50)
      const ids = Array.from({ length: count }, () => f.id())
      const subject = `user-${f.id()}`
      const end = f.clock.now() + 3_600_000
      await eachOf(
        ids,
        async (id, n) =>
          await f.store.insert(id, f.record({ expiresAt: end + n * 1_000, subject }), f.context()),
        50,
      )
      const lists = [() => f.store.scan?.(f.context()), () => f.store.scanBySubject?.(subject, f.context())]
      for (const list of lists) {
        const entries = list()
        if (!entries) continue
        const waiting = new Set(ids)
        let moved = false
        for await (const { id } of entries) {
          waiting.delete(id)
          if (moved) continue
          moved = true
          // The first and the last by their end change places.
          for (const [at, expiresAt] of [
            [0, end + 2 * count * 1_000],
            [1, end + 3 * count * 1_000],
            [count - 2, end - 1_000],
            [count - 1, end - 2_000],
          ] as const) {
            const found = await f.other.read(ids[at] ?? '', f.context())
            equal(
              await f.other.touch(ids[at] ?? '', expiresAt, found?.version ?? '', f.context()),
              true,
              'the result of touch() amid a scan',
            )
          }
        }
        equal(waiting.size, 0, 'the number of records that the scan missed')
      }
    },
  },
  {
    id: 'store/scan-while-removing',
    title: 'a scan whose reader removes every second record it sees gives all others',
    rule: 'Each at least once if it lives throughout, also when those before it go.',
    source: 'docs/design.md#store-scan',
    why: 'A script that ends the sessions of a hacked account would skip as many as it ends (pages by offset do).',
    skip: without('scan'),
    async run(f) {
      // Twice the page that stores ask for, and more; quick, one and some.
      const waiting = new Set(Array.from({ length: f.quick ? 110 : 240 }, () => f.id()))
      const ids = [...waiting]
      for (let from = 0; from < ids.length; from += 20) {
        const some = ids.slice(from, from + 20)
        await Promise.all(some.map(async id => await f.store.insert(id, f.record(), f.context())))
      }
      let seen = 0
      for await (const { id } of f.store.scan?.(f.context()) ?? []) {
        if (waiting.delete(id) && ++seen % 2 === 0) await f.other.remove(id, undefined, f.context())
      }
      equal(waiting.size, 0, 'the number of records that the scan missed')
    },
  },
  {
    id: 'store/scan-left-early',
    title: 'a scan that is left early leaves the store in order',
    rule: 'An async iterable may be left with break; what it holds is released.',
    source: 'docs/design.md#store-scan',
    why: 'Showing the first page of sessions would take a connection away for ever.',
    skip: without('scan'),
    async run(f) {
      for (let n = 0; n < 5; n++) await f.stored()
      for (let round = 0; round < 15; round++) {
        let first: string | undefined
        for await (const { id } of f.store.scan?.(f.context()) ?? []) {
          first = id
          break
        }
        ok(first !== undefined, 'a scan over records to give one', 'it gave none')
      }
      const { id, version } = await f.stored()
      equal(
        await f.store.replace(id, f.record(), version, f.context()),
        'ok',
        'the answer of replace() after that',
      )
    },
  },
]
