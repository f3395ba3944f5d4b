import { equal, oneOf } from '../check.ts'
import type { StoreCase } from '../store-fixture.ts'

export const touchCases: readonly StoreCase[] = [
  {
    id: 'store/touch',
    title: 'touch changes the expiry and nothing else',
    rule: 'Changes the expiry of a live record at that version, and nothing else.',
    source: 'docs/design.md#store-touch',
    why: 'A mere visit would lose data, or whose session it is.',
    async run(f) {
      const { id, record, version } = await f.stored({ subject: 'ann' })
      const later = record.expiresAt + 600_789
      equal(await f.store.touch(id, later, version, f.context()), true, 'the answer of touch()')
      const found = await f.readLive(id, 'the record')
      equal(found.expiresAt, later, 'its expiry')
      equal(found.payload, record.payload, 'its payload')
      equal(found.subject, 'ann', 'its subject')
    },
  },
  {
    id: 'store/touch-version-usable',
    title: 'a record can be replaced, touched and removed after a touch',
    rule: 'touch need not change the version; the one that is read afterwards works.',
    source: 'docs/design.md#store-touch, docs/design.md#store-version',
    why: 'A session that was extended once could not be saved any more.',
    async run(f) {
      const { id, record, version } = await f.stored()
      equal(
        await f.store.touch(id, record.expiresAt + 1_000, version, f.context()),
        true,
        'the first touch()',
      )
      const first = await f.readLive(id, 'the record')
      equal(
        await f.store.touch(id, record.expiresAt + 2_000, first.version, f.context()),
        true,
        'the second touch()',
      )
      const second = await f.readLive(id, 'the record')
      equal(await f.store.replace(id, f.record(), second.version, f.context()), 'ok', 'replace() after it')
      const third = await f.readLive(id, 'the record')
      equal(
        await f.store.touch(id, record.expiresAt + 3_000, third.version, f.context()),
        true,
        'touch() after that',
      )
      const last = await f.readLive(id, 'the record')
      equal(await f.store.remove(id, last.version, f.context()), 'ok', 'remove() at the version after that')
    },
  },
  {
    id: 'store/touch-same-expiry',
    title: 'touching a record with the expiry it has is true',
    rule: 'false means gone or changed; "no row changed" is neither.',
    source: 'docs/design.md#store-touch; MySQL counts changed rows, not matched ones',
    why: 'Two visits in one millisecond would look like a logout.',
    async run(f) {
      const { id, record, version } = await f.stored()
      equal(await f.store.touch(id, record.expiresAt, version, f.context()), true, 'the answer of touch()')
      equal((await f.readLive(id, 'the record')).expiresAt, record.expiresAt, 'its expiry')
    },
  },
  {
    id: 'store/touch-gone',
    title: 'touch finds no record and makes none [C1]',
    rule: 'false: gone or changed, nothing done.',
    source: 'docs/design.md#store-touch, docs/requirements.md#c1; connect-redis 328',
    why: 'A rolling renewal would bring a logged-out session back to life.',
    async run(f) {
      const { id, record, version } = await f.stored()
      equal(await f.store.remove(id, undefined, f.context()), 'ok', 'the answer of remove()')
      equal(
        await f.store.touch(id, record.expiresAt + 1_000, version, f.context()),
        false,
        'touch() after remove()',
      )
      equal(await f.read(id), null, 'what is read after that')
      equal(
        await f.store.touch(f.id(), record.expiresAt, version, f.context()),
        false,
        'touch() of an unknown id',
      )
    },
  },
  {
    id: 'store/touch-same-expiry-gone',
    title: 'touch with the expiry the record had is false once it was replaced or removed [C1]',
    rule: 'touch confirms that the record is still there at that version, also where the expiry does not move.',
    source: 'docs/design.md#store-touch, docs/design.md#confirmed-keys',
    why: 'A slow page would send the old cookie after a login in another tab, and so log the visitor out.',
    async run(f) {
      const { id, record, version } = await f.stored()
      const next = f.record({ expiresAt: record.expiresAt })
      equal(await f.store.replace(id, next, version, f.context()), 'ok', 'the answer of replace()')
      const stale = await f.store.touch(id, record.expiresAt, version, f.context())
      equal(stale, false, 'touch() at the version before replace()')
      equal(await f.store.remove(id, undefined, f.context()), 'ok', 'the answer of remove()')
      const gone = await f.store.touch(id, record.expiresAt, version, f.context())
      equal(gone, false, 'touch() after remove()')
    },
  },
  {
    id: 'store/touch-stale',
    title: 'touch returns false at another version, and does nothing',
    rule: 'false: changed. Lest an idle request undo a lifetime just set.',
    source: 'docs/design.md#store-touch',
    why: 'A session set to end in five minutes would be extended by an older request still under way.',
    async run(f) {
      const { id, version } = await f.stored()
      const short = f.record({ expiresAt: f.clock.now() + 300_000 })
      equal(await f.store.replace(id, short, version, f.context()), 'ok', 'the answer of replace()')
      const before = await f.readLive(id, 'the record')
      const late = await f.store.touch(id, f.clock.now() + 1_209_600_000, version, f.context())
      equal(late, false, 'the answer of touch() at the version before')
      equal(await f.readLive(id, 'the record'), before, 'the record after it')
    },
  },
  {
    id: 'store/touch-expired',
    title: 'touch does not revive an expired record',
    rule: 'To every method an expired record is absent.',
    source: 'docs/design.md#store-touch, docs/requirements.md#c6, docs/requirements.md#i7',
    why: 'A session that ran out would go on for ever, one touch after the other.',
    async run(f) {
      const { id, version } = await f.stored({ expiresAt: f.clock.now() + f.clock.life })
      await f.clock.advance(f.clock.life)
      const answer = await f.store.touch(id, f.clock.now() + 3_600_000, version, f.context())
      equal(answer, false, 'the answer of touch() for an expired record')
      equal(await f.read(id), null, 'what is read after that')
    },
  },
  {
    id: 'store/touch-extends',
    title: 'a touched record lives until the new expiry, sooner or later than the old',
    rule: 'Changes the expiry.',
    source: 'docs/design.md#store-touch, docs/requirements.md#i7',
    why: 'Active visitors would be thrown out, or idle ones would stay.',
    async run(f) {
      const life = f.clock.life
      const longer = await f.stored({ expiresAt: f.clock.now() + life })
      const shorter = await f.stored()
      const later = f.clock.now() + 3_600_000
      equal(
        await f.store.touch(longer.id, later, longer.version, f.context()),
        true,
        'touch() to a later time',
      )
      const soon = f.clock.now() + life
      equal(
        await f.store.touch(shorter.id, soon, shorter.version, f.context()),
        true,
        'touch() to an earlier time',
      )
      await f.clock.advance(life)
      await f.readLive(longer.id, 'the extended record')
      equal(await f.read(shorter.id), null, 'what is read of the shortened record')
    },
  },
  {
    id: 'store/touch-races-remove',
    title: 'a touch that races a remove never brings the record back [C1]',
    rule: 'Each call is atomic on its own; touch makes no record.',
    source:
      'docs/design.md#store-touch, docs/design.md#store-remove, docs/requirements.md#c1, docs/requirements.md#f17; spring-session 1111',
    why: 'Logging out while a page polls would leave the session alive.',
    async run(f) {
      for (let round = 0; round < 10; round++) {
        const { id, record, version } = await f.stored()
        const [first, second] = round % 2 ? [f.store, f.other] : [f.other, f.store]
        const [touched, removed] = await Promise.all([
          (async () => await first.touch(id, record.expiresAt + 1_000, version, f.context()))(),
          (async () => await second.remove(id, undefined, f.context()))(),
        ])
        equal(removed, 'ok', 'the answer of remove() without a version')
        oneOf(touched, [true, false], 'the answer of touch()')
        equal(await f.read(id), null, 'what is read after both')
      }
    },
  },
  {
    id: 'store/touch-races-replace',
    title: 'when a touch races a replace, the replaced life and payload stand',
    rule: 'touch at the version before must not undo a lifetime just set.',
    source: 'docs/design.md#store-touch, docs/design.md#store-replace',
    why: 'Data saved a moment ago, or "end in five minutes", would be undone by a page that merely polls.',
    async run(f) {
      for (let round = 0; round < 10; round++) {
        const { id, version } = await f.stored()
        const short = f.record({ expiresAt: f.clock.now() + 300_000 })
        const [first, second] = round % 2 ? [f.store, f.other] : [f.other, f.store]
        const far = f.clock.now() + 1_209_600_000
        const [touched, replaced] = await Promise.all([
          (async () => await first.touch(id, far, version, f.context()))(),
          (async () => await second.replace(id, short, version, f.context()))(),
        ])
        const found = await f.readLive(id, 'the record')
        if (replaced === 'ok') {
          equal(found.payload, short.payload, 'the payload after replace() answered ok')
          equal(found.expiresAt, short.expiresAt, 'the expiry after replace() answered ok')
        } else {
          // A store whose touch makes a new version may find the replace stale; then the touch must have happened.
          equal([replaced, touched], ['stale', true], 'the answers of replace() and touch()')
          equal(found.expiresAt, far, 'the expiry after touch() answered true')
        }
      }
    },
  },
]
