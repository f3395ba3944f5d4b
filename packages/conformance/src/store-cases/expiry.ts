import { equal, ok } from '../check.ts'
import { facts, type StoreCase, type StoreFixture } from '../store-fixture.ts'
import { CHECK_REMEDIES } from './check-remedies.ts'
import { meanwhile, spreads, turn } from './meanwhile.ts'

const inexact = (f: StoreFixture) =>
  f.clock.exact ? undefined : 'the backend owns the clock, so single milliseconds cannot be told apart'

const ownedByBackend = (f: StoreFixture) =>
  f.clock.ofBackend ? 'the backend owns the clock, so `now` is only a hint' : undefined

export const expiryCases: readonly StoreCase[] = [
  {
    id: 'store/expires',
    title: 'an expired record is absent',
    rule: 'read gives live records only.',
    source:
      'docs/design.md#store-read, docs/requirements.md#c6, docs/requirements.md#i7; CVE-2024-35220 @fastify/session',
    why: 'A stolen or forgotten session would work for ever.',
    async run(f) {
      const { id } = await f.stored({ expiresAt: f.clock.now() + f.clock.life })
      const witness = await f.stored()
      await f.clock.advance(f.clock.life)
      equal(await f.read(id), null, 'what is read of a record whose time is over')
      await f.readLive(witness.id, 'a record with time left')
    },
  },
  {
    id: 'store/renewed-outlives-first-life',
    title:
      'a record that was replaced, touched, or removed and inserted again outlives its first life, in real time',
    rule: 'A record lives until its expiresAt, and no longer until one that it had before.',
    source: 'docs/design.md#store-record; docs/conformance-space.md, time',
    why: 'A visitor would be logged out at the end of the first life, however active.',
    skip: ownedByBackend,
    async run(f) {
      // A machine under load may take longer than a life. Then the next attempt has a longer one.
      for (let life = Math.ceil(300 + 40 * (await f.pace())); ; life *= 4) {
        const started = Date.now()
        const short = { expiresAt: f.clock.now() + life }
        const [replaced, touched, reborn] = await Promise.all([
          f.stored(short),
          f.stored(short),
          f.stored(short),
        ])
        const long = f.record()
        equal(
          await f.store.replace(replaced.id, long, replaced.version, f.context()),
          'ok',
          'the answer of replace()',
        )
        equal(
          await f.other.touch(touched.id, long.expiresAt, touched.version, f.context()),
          true,
          'the answer of touch()',
        )
        equal(await f.store.remove(reborn.id, undefined, f.context()), 'ok', 'the answer of remove()')
        equal(await f.store.insert(reborn.id, long, f.context()), true, 'the answer of insert() after it')
        const left = life - (Date.now() - started)
        if (left <= 0 && life < 10_000) continue
        await new Promise(resolve => setTimeout(resolve, left + 50))
        for (const [{ id }, what] of [
          [replaced, 'replaced'],
          [touched, 'touched'],
          [reborn, 'removed and inserted again'],
        ] as const)
          await f.readLive(id, `a record that was ${what}, after the end of its first life,`)
        return
      }
    },
  },
  {
    id: 'store/expires-to-the-millisecond',
    title: 'a record lives until the millisecond before expiresAt, and not at expiresAt',
    rule: 'From that millisecond on the record is absent.',
    source: 'docs/design.md#store-record',
    why: 'Store and engine would disagree about who is logged in.',
    skip: inexact,
    async run(f) {
      const { id } = await f.stored({ expiresAt: f.clock.now() + 60_000 })
      await f.clock.advance(59_999)
      await f.readLive(id, 'a record with one millisecond left')
      await f.clock.advance(1)
      equal(await f.read(id), null, 'what is read at the millisecond of expiresAt')
    },
  },
  {
    id: 'store/touch-shortens',
    title: 'touch to an earlier time gives the record that shorter life',
    rule: 'Changes the expiry: to the time that is given, sooner or later.',
    source: 'docs/design.md#store-touch, docs/requirements.md#i7',
    why: 'A session that was given a shorter life, after "remember me" was switched off say, would keep the long one.',
    async run(f) {
      const { id, record } = await f.stored()
      for (const earlier of [record.expiresAt - 1, record.expiresAt - 600_000]) {
        const found = await f.readLive(id, 'the record')
        equal(
          await f.store.touch(id, earlier, found.version, f.context()),
          true,
          'the answer of touch() to an earlier time',
        )
        equal(
          (await f.readLive(id, 'the record')).expiresAt,
          earlier,
          'the expiry after touch() to an earlier time',
        )
      }
    },
  },
  {
    id: 'store/arrives-expired',
    title: 'a record that arrives expired is never read',
    rule: 'One that arrives expired is never read, whatever the call that brought it answers.',
    source: 'docs/design.md#store-insert, docs/design.md#store-replace, docs/design.md#store-touch',
    why: 'A session ended by setting its expiry to the past would live on, perhaps for ever.',
    async run(f) {
      const now = f.clock.now()
      for (const expiresAt of [now, now - 1, now - 86_400_000, 1, 0, -1]) {
        const when = `expiresAt ${expiresAt === now ? 'now' : expiresAt - now < -1e9 ? expiresAt : `now ${expiresAt - now}`}`
        const fresh = f.id()
        const inserted = await f.store.insert(fresh, f.record({ expiresAt }), f.context())
        equal(typeof inserted, 'boolean', `the type of the answer of insert() with ${when}`)
        equal(await f.read(fresh), null, `what is read after insert() with ${when}`)

        const replaced = await f.stored()
        const answer = await f.store.replace(
          replaced.id,
          f.record({ expiresAt }),
          replaced.version,
          f.context(),
        )
        equal(answer, 'ok', `the answer of replace() with ${when}`)
        equal(await f.read(replaced.id), null, `what is read after replace() with ${when}`)

        const touched = await f.stored()
        const did = await f.store.touch(touched.id, expiresAt, touched.version, f.context())
        equal(did, true, `the answer of touch() with ${when}`)
        equal(await f.read(touched.id), null, `what is read after touch() with ${when}`)
      }
    },
  },
  {
    id: 'store/far-future',
    title: 'a record that lives for years keeps its expiry and is read [F23]',
    rule: 'expiresAt is milliseconds since the epoch, up to the year 9999.',
    source: 'docs/design.md#store-record, docs/requirements.md#f23; timers overflow at 2^31 ms',
    why: 'A "remember me" of a month would end at once.',
    async run(f) {
      const now = f.clock.now()
      const day = 86_400_000
      const times = [
        now + 25 * day,
        now + 60 * day,
        Date.UTC(2038, 0, 20),
        now + 7_305 * day,
        253_402_300_799_000,
      ]
      for (const expiresAt of times) {
        const { id, version } = await f.stored({ expiresAt })
        await new Promise(resolve => setTimeout(resolve, 2))
        equal((await f.readLive(id, 'a far-future record')).expiresAt, expiresAt, 'its expiry')
        const record = f.record({ expiresAt })
        equal(await f.store.replace(id, record, version, f.context()), 'ok', 'the answer of replace()')
        const found = await f.readLive(id, 'a replaced far-future record')
        equal(found.expiresAt, expiresAt, 'its expiry')
        equal(
          await f.store.touch(id, expiresAt - 1, found.version, f.context()),
          true,
          'the answer of touch()',
        )
        equal((await f.readLive(id, 'a touched far-future record')).expiresAt, expiresAt - 1, 'its expiry')
      }
    },
  },
  {
    id: 'store/default-clock',
    title: 'without `now` the time is Date.now()',
    rule: '`Date.now()` where `now` is absent; the context itself may be absent.',
    source: 'docs/design.md#store-context',
    why: 'Scripts that call the store directly would find every session expired, or none.',
    skip: ownedByBackend,
    async run(f) {
      const real = Date.now()
      const id = f.id()
      const record = f.record({ expiresAt: real + 3_600_000 })
      equal(await f.store.insert(id, record), true, 'the answer of insert()')
      const found = await f.store.read(id)
      ok(found !== null, 'a record with an hour left to be read', 'read() answered null')
      equal(await f.store.touch(id, real + 3_700_000, found.version), true, 'the answer of touch()')
      const touched = await f.store.read(id)
      ok(touched !== null, 'the touched record to be read', 'read() answered null')
      const replaced = await f.store.replace(id, { ...record, expiresAt: real - 1_000 }, touched.version)
      equal(replaced, 'ok', 'the answer of replace()')
      equal(await f.store.read(id), null, 'what is read of a record that expired a second ago')
      equal(await f.store.remove(f.id()), 'gone', 'the answer of remove() for an unknown id')
    },
  },
  {
    id: 'store/now-undefined',
    title: 'a `now` that is undefined is none: the time is Date.now()',
    rule: '`Date.now()` where `now` is absent; every option may be `undefined`.',
    source: 'docs/design.md#store-context',
    why: 'A helper that passes on the clock it was not given would find every session expired.',
    async run(f) {
      const context = { now: undefined, signal: undefined }
      const id = f.id()
      const subject = `user-${id}`
      // An hour from now by every clock there is.
      const record = f.record({ subject, expiresAt: Math.max(Date.now(), f.clock.now()) + 3_600_000 })
      equal(await f.store.insert(id, record, context), true, 'the answer of insert()')
      equal(await f.store.insert(id, record, context), false, 'the answer of insert() for a taken id')
      const found = await f.store.read(id, context)
      ok(found !== null, 'a record with an hour left to be read', 'read() answered null')
      const { version } = found
      equal(
        await f.store.touch(id, record.expiresAt + 1_000, version, context),
        true,
        'the answer of touch()',
      )
      const touched = await f.store.read(id, context)
      ok(touched !== null, 'the touched record to be read', 'read() answered null')
      equal(await f.store.replace(id, record, touched.version, context), 'ok', 'the answer of replace()')
      for await (const _ of f.store.clearExpired?.({ ...context, batchSize: undefined }) ?? []);
      for (const scan of [f.store.scan?.(context), f.store.scanBySubject?.(subject, context)]) {
        if (!scan) continue
        let seen = false
        for await (const entry of scan) seen ||= entry.id === id
        ok(seen, 'a scan to give the record', 'it was missing')
      }
      const removed =
        (await f.store.removeBySubject?.(subject, { ...context, except: undefined })) ??
        ((await f.store.remove(id, undefined, context)) === 'ok' ? 1 : 0)
      equal(removed, 1, 'the number of records that were removed')
    },
  },
  {
    id: 'store/read-expired-writes-nothing',
    title: 'reading a record when it is over leaves it as it is',
    rule: 'Expired: null, and nothing is written.',
    source: 'docs/design.md#store-read, docs/design.md#store-context',
    why: 'One server whose clock is ahead would end the sessions that the others still serve.',
    skip: ownedByBackend,
    async run(f) {
      const expiresAt = f.clock.now() + f.clock.life
      const { id, record, version } = await f.stored({ expiresAt })
      for (const store of [f.store, f.other]) {
        equal(await store.read(id, { now: expiresAt }), null, 'what is read at the millisecond of expiresAt')
      }
      // What is done behind the answer is done now.
      await turn()
      const found = await f.store.read(id, { now: expiresAt - 1 })
      ok(
        found !== null,
        'the record to be read by a clock that is a little behind',
        'read() answered null',
        CHECK_REMEDIES.readChangesNothing,
      )
      equal([facts(found), found.version], [record, version], 'the record and its version')
    },
  },
  {
    id: 'store/read-expired-races-insert',
    title: 'reads that find an expired record do not end the one that takes its place',
    rule: 'Expired: null, and nothing is written.',
    source: 'docs/design.md#store-read, docs/design.md#store-insert, docs/requirements.md#a37',
    why: 'A session that was reported as saved would be missing.',
    async run(f) {
      let expiresAt = 0
      const old = async () => {
        expiresAt = f.clock.now() + f.clock.life
        const ids = Array.from({ length: 12 }, () => f.id())
        await Promise.all(ids.map(async id => await f.store.insert(id, f.record({ expiresAt }), f.context())))
        return ids
      }
      const rounds = [await old(), await old(), await old(), await old()]
      const first = await old()
      await f.clock.advance(expiresAt - f.clock.now())
      const reading = (ids: readonly string[]) => () =>
        Promise.all(
          [f.store, f.other, f.store].flatMap(store =>
            ids.map(async id => await store.read(id, f.context())),
          ),
        )
      for (const [n, spread] of (await spreads(reading(first))).entries()) {
        const ids = rounds[n] ?? []
        const records = ids.map(() => f.record())
        const inserts = ids.map((id, at) => async () => {
          return await f.other.insert(id, records[at] ?? f.record(), f.context())
        })
        const inserted = await meanwhile(reading(ids), inserts, spread)
        await turn()
        for (const [at, id] of ids.entries()) {
          // The expired record may still take the id.
          if (!inserted[at]) continue
          const found = await f.readLive(id, 'a record whose insert() answered true')
          equal(found.payload, records[at]?.payload, 'its payload')
        }
      }
    },
  },
  {
    id: 'store/own-clock-only',
    title: 'every method goes by the `now` it is given',
    rule: 'A store takes time from `now`, or from a backend that expires by itself.',
    source: 'docs/design.md#store-context',
    why: 'A server whose clock is off would log everybody out, or nobody.',
    skip: ownedByBackend,
    async run(f) {
      const expiresAt = f.clock.now() + 50_000
      const { id, version } = await f.stored({ expiresAt })
      const early = { now: expiresAt - 1 }
      const late = { now: expiresAt }
      equal(await f.store.read(id, late), null, 'read() when it is over')
      equal(await f.store.replace(id, f.record(), version, late), 'gone', 'replace() when it is over')
      equal(await f.store.touch(id, expiresAt + 9, version, late), false, 'touch() when it is over')
      const { id: again, version: at } = await f.stored({ expiresAt })
      ok(
        (await f.store.read(again, early)) !== null,
        'read() a millisecond before to find it',
        'it answered null',
      )
      equal(await f.store.touch(again, expiresAt + 9, at, early), true, 'touch() a millisecond before')
    },
  },
]
