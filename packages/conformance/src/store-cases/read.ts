import { equal, ok, show } from '../check.ts'
import { withoutMeans } from '../means.ts'
import { facts, type StoreCase } from '../store-fixture.ts'

export const readCases: readonly StoreCase[] = [
  {
    id: 'store/read-what-was-inserted',
    title: 'read gives back payload, expiry and subject as they were inserted',
    rule: 'What a store keeps comes back: payload, expiresAt to the millisecond, subject.',
    source: 'docs/design.md#store-read',
    why: 'A user would find another session than the one that was saved.',
    async run(f) {
      const id = f.id()
      const record = f.record({ expiresAt: f.clock.now() + 3_600_123, subject: 'ann' })
      equal(await f.store.insert(id, record, f.context()), true, 'the answer of insert()')
      const found = await f.readLive(id, 'the record')
      equal(facts(found), record, 'the record')
      equal(typeof found.version, 'string', 'the type of its version')
    },
  },
  {
    id: 'store/read-without-subject',
    title: 'a record without a subject comes back without one',
    rule: 'subject is optional: absent in, absent (or undefined) out, never null or an empty string.',
    source: 'docs/design.md#store-record',
    why: 'Anonymous sessions would belong to one invisible user, and end together with them.',
    async run(f) {
      const { id } = await f.stored()
      const found = await f.readLive(id, 'the record')
      equal(found.subject, undefined, 'its subject')
    },
  },
  {
    id: 'store/read-absent',
    title: 'read returns null for an id that was never stored',
    rule: 'Absent: null.',
    source: 'docs/design.md#store-read',
    why: 'Every first visit comes with nothing stored, and must be an empty session, not an error.',
    async run(f) {
      equal(await f.read(f.id()), null, 'the answer of read() for an unknown id')
    },
  },
  {
    id: 'store/read-writes-nothing',
    title: 'reading an unknown id leaves nothing behind',
    rule: 'Absent, expired or malformed: null, and nothing is written.',
    source: 'docs/design.md#store-read, docs/requirements.md#c9; CVE-2015-5143 Django',
    why: 'Anybody could fill the store with made-up cookies.',
    async run(f) {
      const id = f.id()
      await f.read(id)
      equal(await f.read(id), null, 'the second answer of read() for an unknown id')
      equal(
        await f.store.remove(id, undefined, f.context()),
        'gone',
        'the answer of remove() after reading it twice',
      )
      equal(await f.store.insert(id, f.record(), f.context()), true, 'the answer of insert() after that')
    },
  },
  {
    id: 'store/read-malformed-id',
    title: 'a malformed id finds nothing and breaks nothing [C23]',
    rule: 'Malformed: null, and nothing is written.',
    source:
      'docs/design.md#store-read, docs/requirements.md#c23; CVE-2018-18925 gogs, CVE-2025-61686 React Router',
    why: 'An id that reaches a path, a pattern or a query opens what lies behind it.',
    async run(f) {
      const { id, record } = await f.stored()
      const half = id.slice(0, 20)
      const malformed = [
        '',
        '.',
        '..',
        '../../etc/passwd',
        '*',
        `${half}*`,
        `${half}%`,
        `${half}\0`,
        `${id}/`,
      ]
      malformed.push(`${id}' OR '1'='1`, id.slice(1), `${id}0`, '__proto__', 'constructor', 'toString')
      for (const bad of malformed) {
        equal(await f.read(bad), null, `the answer of read(${show(bad.replace(id, '<a stored id>'))})`)
      }
      equal((await f.readLive(id, 'the record that was there before')).payload, record.payload, 'its payload')
    },
  },
  {
    id: 'store/read-near-ids',
    title: 'ids that differ in a letter’s case, a blank or an accent find nothing [F34]',
    rule: 'Ids are compared byte for byte: a near miss is absent.',
    source: 'docs/requirements.md#f34; a default MariaDB varchar key matches all of these',
    why: 'Two visitors whose ids are alike to the database would share a session.',
    async run(f) {
      const id = `a${f.id().slice(1)}`
      const { record } = await f.stored({}, id)
      const upper = id.toUpperCase()
      for (const near of [upper, `${id} `, ` ${id}`, `á${id.slice(1)}`, `${id}\t`, `0${id}`]) {
        equal(await f.read(near), null, 'the answer of read() for a near miss of a stored id')
        const removed = await f.store.remove(near, undefined, f.context())
        equal(removed, 'gone', 'the answer of remove() for a near miss of a stored id')
      }
      equal((await f.readLive(id, 'the record itself')).payload, record.payload, 'its payload')
    },
  },
  {
    id: 'store/ids-apart',
    title: 'ids that share all but one digit are different records',
    rule: 'A record is kept under its own id.',
    source: 'docs/design.md#store-contract',
    why: 'A visitor would see, or end, a stranger’s session.',
    async run(f) {
      const id = f.id()
      const ids = new Set([id])
      for (const at of [0, 1, 7, 8, 15, 16, 19, 20, 31, 32, 38, 39]) {
        ids.add(`${id.slice(0, at)}${id[at] === '0' ? '1' : '0'}${id.slice(at + 1)}`)
      }
      const records = new Map<string, string>()
      for (const each of ids) records.set(each, (await f.stored({}, each)).record.payload)
      await f.store.remove(id, undefined, f.context())
      for (const [each, payload] of records) {
        const found = await f.read(each)
        equal(
          found?.payload,
          each === id ? undefined : payload,
          'the payload of a neighbour after one was removed',
        )
      }
    },
  },
  {
    id: 'store/short-ids',
    title: 'ids as Django writes them (32 of a-z and 0-9) work as well',
    rule: 'Ids are 40 characters of [0-9a-f], or 32 of [a-z0-9] with hashKeys: false.',
    source: 'docs/design.md#store-contract',
    why: 'Sharing a table with a live Django would not work.',
    async run(f) {
      const id = `zyxw${f.id().slice(0, 28)}`
      const { record, version } = await f.stored({}, id)
      equal((await f.readLive(id, 'the record')).payload, record.payload, 'its payload')
      equal(await f.store.replace(id, f.record(), version, f.context()), 'ok', 'the answer of replace()')
      equal(await f.store.remove(id, undefined, f.context()), 'ok', 'the answer of remove()')
    },
  },
  {
    id: 'store/read-races-remove',
    title: 'reads in flight while a record is removed do not bring it back [F19]',
    rule: 'Once a removal is answered, no read finds the record, whatever other reads have fetched meanwhile.',
    source:
      'docs/design.md#django, docs/requirements.md#f19, docs/requirements.md#c1; Django’s cached_db: 100 of 100',
    why: 'A cache that a slow reader fills would keep a logged-out session alive.',
    async run(f) {
      for (let round = 0; round < 10; round++) {
        const { id } = await f.stored()
        const read = async (_: unknown, n: number) => await (n % 2 ? f.store : f.other).read(id, f.context())
        const early = Promise.all(Array.from({ length: 4 }, read))
        const removing = (async () =>
          await (round % 2 ? f.store : f.other).remove(id, undefined, f.context()))()
        const late = Promise.all(Array.from({ length: 4 }, read))
        await Promise.all([early, removing, late])
        equal(await f.read(id), null, 'what is read after the removal')
        equal(await f.other.read(id, f.context()), null, 'what another store object reads after it')
      }
    },
  },
  {
    id: 'store/read-races-replace',
    title: 'reads in flight while a record is replaced do not bring the old one back [F19]',
    rule: 'Once a replace is answered, every read finds the new record.',
    source: 'docs/design.md#django, docs/requirements.md#f19, docs/requirements.md#i6; Django’s cached_db',
    why: 'What was just saved would vanish in the next request.',
    async run(f) {
      for (let round = 0; round < 10; round++) {
        const { id, version } = await f.stored()
        const record = f.record()
        const read = async (_: unknown, n: number) => await (n % 2 ? f.store : f.other).read(id, f.context())
        const early = Promise.all(Array.from({ length: 4 }, read))
        const replacing = (async () =>
          await (round % 2 ? f.store : f.other).replace(id, record, version, f.context()))()
        const late = Promise.all(Array.from({ length: 4 }, read))
        const [, replaced] = await Promise.all([early, replacing, late])
        equal(replaced, 'ok', 'the answer of replace()')
        equal((await f.readLive(id, 'the record')).payload, record.payload, 'the payload read after it')
        equal(
          (await f.other.read(id, f.context()))?.payload,
          record.payload,
          'what another store object reads',
        )
      }
    },
  },
  {
    id: 'store/second-store-sees',
    title: 'another store object on the same backend sees every change at once',
    rule: 'Once a write is answered, every reader of the backend finds it.',
    source: 'docs/design.md#store-contract, docs/requirements.md#i2, docs/requirements.md#i6',
    why: 'Behind a load balancer the next request may meet another process: it would find the old session.',
    skip: withoutMeans('second'),
    async run(f) {
      const { id, record, version } = await f.stored()
      const context = f.context()
      const first = await f.other.read(id, context)
      equal(first?.payload, record.payload, 'the payload that the second store reads')
      const changed = f.record()
      equal(await f.store.replace(id, changed, version, context), 'ok', 'the answer of replace()')
      const second = await f.other.read(id, context)
      ok(second !== null, 'the second store to find the replaced record', 'it found none')
      equal(second.payload, changed.payload, 'the payload that the second store reads after replace()')
      const later = changed.expiresAt + 1_000
      equal(
        await f.other.touch(id, later, second.version, context),
        true,
        'the answer of touch() by the second store',
      )
      equal(
        (await f.readLive(id, 'the record')).expiresAt,
        later,
        'the expiry after the second store’s touch()',
      )
      equal(await f.other.remove(id, undefined, context), 'ok', 'the answer of remove() by the second store')
      equal(await f.read(id), null, 'what the first store reads after the second removed it')
    },
  },
]
