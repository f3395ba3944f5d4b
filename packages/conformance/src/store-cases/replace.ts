import { equal, fail, ok } from '../check.ts'
import { facts, type StoreCase } from '../store-fixture.ts'
import { CHECK_REMEDIES } from './check-remedies.ts'

export const replaceCases: readonly StoreCase[] = [
  {
    id: 'store/replace',
    title: 'replace changes payload, expiry and subject at the version that was read',
    rule: 'Replaces payload, expiry and subject of a live record whose version is still `version`: ok.',
    source: 'docs/design.md#store-replace',
    why: 'A saved change would be lost, in whole or in part.',
    async run(f) {
      const { id, version } = await f.stored({ subject: 'ann' })
      const changed = f.record({ subject: 'bob', expiresAt: f.clock.now() + 7_200_456 })
      equal(await f.store.replace(id, changed, version, f.context()), 'ok', 'the answer of replace()')
      const found = await f.readLive(id, 'the replaced record')
      equal(facts(found), changed, 'the record after replace()')
      ok(found.version !== version, 'another version after a changed payload', 'it stayed the same')
    },
  },
  {
    id: 'store/replace-gone',
    title: 'replace returns gone for a record that is not there, and makes none [C1]',
    rule: 'gone: there is none, and none is made.',
    source: 'docs/design.md#store-replace, docs/requirements.md#c1; CVE-2025-46336 rack-session',
    why: 'A slow request would bring a logged-out session back to life.',
    async run(f) {
      const { id, version } = await f.stored({ subject: 'ann' })
      equal(await f.store.remove(id, undefined, f.context()), 'ok', 'the answer of remove()')
      const answer = await f.store.replace(id, f.record({ subject: 'ann' }), version, f.context())
      equal(answer, 'gone', 'the answer of replace() after remove()')
      equal(await f.read(id), null, 'what is read after that')
      equal(
        await f.store.replace(f.id(), f.record(), version, f.context()),
        'gone',
        'replace() of an unknown id',
      )
    },
  },
  {
    id: 'store/replace-stale',
    title: 'replace returns stale at another version, and changes nothing',
    rule: 'stale: it has another version.',
    source: 'docs/design.md#store-replace, docs/requirements.md#a37, docs/requirements.md#f16',
    why: 'The last of two overlapping requests would wipe out what the first one saved.',
    async run(f) {
      const { id, version } = await f.stored()
      const second = f.record({ subject: 'bob' })
      equal(
        await f.store.replace(id, second, version, f.context()),
        'ok',
        'the answer of the first replace()',
      )
      const before = await f.readLive(id, 'the record')
      const late = f.record({ subject: 'eve', expiresAt: second.expiresAt + 1 })
      equal(
        await f.store.replace(id, late, version, f.context()),
        'stale',
        'the answer at the version before',
      )
      equal(await f.readLive(id, 'the record'), before, 'the record after a stale replace()')
    },
  },
  {
    id: 'store/replace-chain',
    title: 'every save needs the version of the one before: a chain of ten',
    rule: 'The version read after a replace is good for the next one, and every older one is stale.',
    source: 'docs/design.md#store-replace',
    why: 'A session could be saved once and never again.',
    async run(f) {
      let { id, version } = await f.stored()
      const old: string[] = []
      for (let n = 0; n < 10; n++) {
        const record = f.record()
        equal(
          await f.store.replace(id, record, version, f.context()),
          'ok',
          `the answer of replace() number ${n + 1}`,
        )
        old.push(version)
        const found = await f.readLive(id, 'the record')
        equal(found.payload, record.payload, `the payload after replace() number ${n + 1}`)
        version = found.version
      }
      for (const stale of old) {
        equal(
          await f.store.replace(id, f.record(), stale, f.context()),
          'stale',
          'the answer at an older version',
        )
      }
    },
  },
  {
    id: 'store/replace-equal',
    title: 'replacing a record with its equal is ok',
    rule: 'Replacing a record with its equal is ok; "no row changed" is not yet gone.',
    source: 'docs/design.md#store-replace; MySQL counts changed rows, not matched ones',
    why: 'Saving without a change would log the visitor out.',
    async run(f) {
      const { id, record, version } = await f.stored({ subject: 'ann' })
      equal(
        await f.store.replace(id, { ...record }, version, f.context()),
        'ok',
        'the answer of replace() by its equal',
      )
      const found = await f.readLive(id, 'the record')
      equal(facts(found), record, 'the record')
      equal(
        await f.store.replace(id, { ...record }, found.version, f.context()),
        'ok',
        'the answer the second time',
      )
    },
  },
  {
    id: 'store/replace-drops-subject',
    title: 'a record replaced without a subject has none afterwards',
    rule: 'A record without `subject` has none afterwards.',
    source: 'docs/design.md#store-replace',
    why: 'After logging out of an account the session would still be listed as that user’s, and end with theirs.',
    async run(f) {
      const { id, version } = await f.stored({ subject: 'ann' })
      equal(await f.store.replace(id, f.record(), version, f.context()), 'ok', 'the answer of replace()')
      equal((await f.readLive(id, 'the record')).subject, undefined, 'its subject')
    },
  },
  {
    id: 'store/replace-adds-subject',
    title: 'a record replaced with a subject has it afterwards',
    rule: 'Replaces payload, expiry and subject.',
    source: 'docs/design.md#store-replace',
    why: 'A session that became a user’s by login would escape "log out everywhere".',
    async run(f) {
      const { id, version } = await f.stored()
      equal(await f.store.replace(id, f.record({ subject: 'ann' }), version, f.context()), 'ok', 'the answer')
      equal((await f.readLive(id, 'the record')).subject, 'ann', 'its subject')
    },
  },
  {
    id: 'store/replace-shortens-life',
    title: 'replace sets the new expiry, be it sooner or later',
    rule: 'Replaces the expiry: the life of the record before counts no more.',
    source: 'docs/design.md#store-replace, docs/requirements.md#i7',
    why: 'A session shortened to five minutes would live two weeks, or an active visitor would be thrown out.',
    async run(f) {
      const life = f.clock.life
      const sooner = await f.stored()
      const later = await f.stored({ expiresAt: f.clock.now() + life })
      const short = f.record({ expiresAt: f.clock.now() + life })
      equal(await f.store.replace(sooner.id, short, sooner.version, f.context()), 'ok', 'the answer (sooner)')
      equal(
        await f.store.replace(later.id, f.record(), later.version, f.context()),
        'ok',
        'the answer (later)',
      )
      await f.clock.advance(life)
      equal(await f.read(sooner.id), null, 'what is read of the shortened record')
      await f.readLive(later.id, 'the extended record')
    },
  },
  {
    id: 'store/replace-keeps-absolute-expiry',
    title: 'the life of a replaced record is the one it was given, not a new full one',
    rule: 'expiresAt is the caller’s: a store has no lifetime of its own.',
    source: 'docs/design.md#store-replace, docs/requirements.md#a21, docs/requirements.md#i7',
    why: 'An absolute limit of twelve hours would never be reached by an active visitor.',
    async run(f) {
      const { id, record, version } = await f.stored()
      equal(
        await f.store.replace(id, f.record({ expiresAt: record.expiresAt }), version, f.context()),
        'ok',
        'the answer of replace()',
      )
      equal((await f.readLive(id, 'the record')).expiresAt, record.expiresAt, 'its expiry')
    },
  },
  {
    id: 'store/replace-expired',
    title: 'replace finds an expired record gone',
    rule: 'To every method an expired record is absent.',
    source: 'docs/design.md#store-replace, docs/requirements.md#c6, docs/requirements.md#i7',
    why: 'A session that ran out would come back when a slow request saves.',
    async run(f) {
      const { id, version } = await f.stored({ expiresAt: f.clock.now() + f.clock.life })
      await f.clock.advance(f.clock.life)
      equal(
        await f.store.replace(id, f.record(), version, f.context()),
        'gone',
        'the answer for an expired record',
      )
      equal(await f.read(id), null, 'what is read after that')
    },
  },
  {
    id: 'store/replace-race',
    title: 'of twenty replaces at the same version exactly one wins',
    rule: 'Each call is atomic on its own: a version is good for one change.',
    source: 'docs/design.md#store-replace, docs/requirements.md#a37, docs/requirements.md#f16',
    why: 'Overlapping requests would lose each other’s changes without a word.',
    async run(f) {
      const { id, version } = await f.stored()
      const records = Array.from({ length: 20 }, () => f.record())
      const answers = await Promise.all(
        records.map(
          async (record, n) => await (n % 2 ? f.store : f.other).replace(id, record, version, f.context()),
        ),
      )
      const winners = records.filter((_, n) => answers[n] === 'ok')
      equal(winners.length, 1, 'the number of replaces that were told ok')
      equal(
        answers.filter(answer => answer === 'stale').length,
        19,
        'the number of replaces that were told stale',
      )
      equal((await f.readLive(id, 'the winner')).payload, winners[0]?.payload, 'the payload that was kept')
    },
  },
  {
    id: 'store/no-lost-update',
    title:
      'forty writers, or as many as a slow store lets through in time, that read, change and retry lose nothing',
    rule: 'Compare and replace in one step, so that a retry loop counts every change.',
    source: 'docs/design.md#store-replace, docs/requirements.md#f16',
    why: 'An item put into the cart in one tab would vanish because of another tab.',
    async run(f) {
      const { id } = await f.stored({ payload: '' })
      async function add(letter: string, store: typeof f.store): Promise<void> {
        for (let attempt = 0; attempt < 1_000; attempt++) {
          const found = await store.read(id, f.context())
          if (!found) fail('the record to stay', 'read() answered null between two replaces')
          await f.jitter()
          const record = f.record({ payload: found.payload + letter })
          const answer = await store.replace(id, record, found.version, f.context())
          if (answer === 'ok') return
          equal(answer, 'stale', 'the answer of a replace() that met another writer')
        }
        fail('a writer to succeed within 1000 attempts', 'it was stale every time')
      }
      // Each of n writers is stale up to n times, with two calls a time, and a backend may do one call after the other.
      const writers = Math.max(
        6,
        Math.min(f.quick ? 12 : 40, Math.floor(Math.sqrt(12_000 / (await f.pace())))),
      )
      const letters = Array.from({ length: writers }, (_, n) => String.fromCharCode(0x61 + (n % 26)))
      await Promise.all(letters.map((letter, n) => add(letter, n % 2 ? f.store : f.other)))
      const { payload } = await f.readLive(id, 'the record')
      const written = [...payload].sort().join('')
      equal(written, letters.sort().join(''), 'what all writers wrote, sorted', CHECK_REMEDIES.lostUpdate)
    },
  },
  {
    id: 'store/replace-races-remove',
    title: 'a replace that races a remove never brings the record back [C1]',
    rule: 'Each call is atomic on its own; replace makes no record.',
    source:
      'docs/design.md#store-replace, docs/design.md#store-remove, docs/requirements.md#c1, docs/requirements.md#f17, docs/requirements.md#i1; CVE-2025-46336',
    why: 'Logging out while another request is under way would leave the session alive.',
    async run(f) {
      for (let round = 0; round < 10; round++) {
        const { id, version } = await f.stored()
        const [first, second] = round % 2 ? [f.store, f.other] : [f.other, f.store]
        const [replaced, removed] = await Promise.all([
          (async () => await first.replace(id, f.record(), version, f.context()))(),
          (async () => await second.remove(id, undefined, f.context()))(),
        ])
        equal(removed, 'ok', 'the answer of remove() without a version', CHECK_REMEDIES.anyVersion)
        ok(
          replaced === 'ok' || replaced === 'gone',
          'replace() to answer ok (it came first) or gone (it came second)',
          `it answered ${String(replaced)}`,
        )
        equal(await f.read(id), null, 'what is read after both')
      }
    },
  },
]
