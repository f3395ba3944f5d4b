import { equal, ok } from '../check.ts'
import { facts, type StoreCase } from '../store-fixture.ts'

export const insertCases: readonly StoreCase[] = [
  {
    id: 'store/insert-taken',
    title: 'insert returns false for an id that is taken, and changes nothing',
    rule: 'false: the id is taken, and nothing changed.',
    source: 'docs/design.md#store-insert; tower-sessions 0.12.0 (security release)',
    why: 'A collision would hand one visitor’s session to another.',
    async run(f) {
      const { id, record, version } = await f.stored({ subject: 'ann' })
      const intruder = f.record({ subject: 'bob' })
      equal(await f.store.insert(id, intruder, f.context()), false, 'the answer of insert() for a taken id')
      const found = await f.readLive(id, 'the first record')
      equal(facts(found), record, 'the record after the refused insert()')
      equal(found.version, version, 'its version after the refused insert()')
    },
  },
  {
    id: 'store/insert-race',
    title: 'of twenty inserts of one id at the same time exactly one wins',
    rule: 'Each call is atomic on its own.',
    source: 'docs/design.md#store-insert, docs/requirements.md#a37',
    why: 'Two visitors would each believe that the session is theirs.',
    async run(f) {
      const id = f.id()
      const records = Array.from({ length: 20 }, () => f.record())
      const answers = await Promise.all(
        records.map(async (record, n) => await (n % 2 ? f.store : f.other).insert(id, record, f.context())),
      )
      const winners = records.filter((_, n) => answers[n])
      equal(winners.length, 1, 'the number of inserts that were told they won')
      equal((await f.readLive(id, 'the winner')).payload, winners[0]?.payload, 'the payload that was kept')
    },
  },
  {
    id: 'store/insert-after-remove',
    title: 'an id that was removed can be inserted again',
    rule: 'remove leaves nothing behind that takes the id.',
    source: 'docs/design.md#store-insert, docs/design.md#store-remove',
    why: 'Saving into a key that a caller chose (Django’s create, imports) would fail for ever.',
    async run(f) {
      const { id } = await f.stored({ subject: 'ann' })
      equal(await f.store.remove(id, undefined, f.context()), 'ok', 'the answer of remove()')
      const again = f.record()
      equal(await f.store.insert(id, again, f.context()), true, 'the answer of insert() after remove()')
      const found = await f.readLive(id, 'the new record')
      equal(found.payload, again.payload, 'its payload')
      equal(found.subject, undefined, 'its subject')
    },
  },
  {
    id: 'store/insert-over-expired',
    title: 'insert over an expired record returns what it did: taken, or stored',
    rule: 'insert may still find the id taken by an expired record; either way the answer is true to what was done.',
    source: 'docs/design.md#store-insert',
    why: 'A session that was reported as saved would be missing.',
    async run(f) {
      const { id } = await f.stored({ expiresAt: f.clock.now() + f.clock.life })
      await f.clock.advance(f.clock.life)
      const fresh = f.record()
      const answer = await f.store.insert(id, fresh, f.context())
      equal(typeof answer, 'boolean', 'the type of the answer of insert()')
      const found = await f.read(id)
      equal(
        found?.payload,
        answer ? fresh.payload : undefined,
        `the payload read after insert() answered ${answer}`,
      )
    },
  },
  {
    id: 'store/insert-only-one',
    title: 'insert returns true and stores one record under one id',
    rule: 'insert adds a record.',
    source: 'docs/design.md#store-insert',
    why: 'A visitor’s new session would not be there at the next request.',
    async run(f) {
      const ids = Array.from({ length: 10 }, () => f.id())
      const records = ids.map(() => f.record())
      const answers = await Promise.all(
        ids.map(async (id, n) => await f.store.insert(id, records[n] ?? f.record(), f.context())),
      )
      equal(
        answers,
        ids.map(() => true),
        'the answers of ten inserts at the same time',
      )
      for (const [n, id] of ids.entries()) {
        const found = await f.read(id)
        ok(found !== null, 'each of ten inserted records to be read', `number ${n + 1} was missing`)
        equal(found.payload, records[n]?.payload, 'the payload of each of ten inserted records')
      }
    },
  },
]
