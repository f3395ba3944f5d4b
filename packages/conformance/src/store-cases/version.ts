import { equal, fail } from '../check.ts'
import type { StoreCase } from '../store-fixture.ts'

/** Payloads that a database may take for equal, which matters where the payload, or a digest of it, is the version. */
const alike: readonly (readonly [string, string, string])[] = [
  ['a letter’s case', '{"user":"ann"}', '{"user":"Ann"}'],
  ['a blank at the end', '{"user":"ann"}', '{"user":"ann"} '],
  ['an accent', '{"user":"resume"}', '{"user":"résumé"}'],
  ['composition (NFC and NFD)', '{"user":"\u00e9"}', '{"user":"e\u0301"}'],
  ['width', '{"user":"A"}', '{"user":"\uff21"}'],
  ['leading zeros', '1', '01'],
  ['number format', '100', '1e2'],
  ['the last of many characters', `${'x'.repeat(5_000)}1`, `${'x'.repeat(5_000)}2`],
  ['order', 'ab', 'ba'],
]

export const versionCases: readonly StoreCase[] = [
  {
    id: 'store/version-byte-for-byte',
    title: 'records that a database calls equal have different versions [F34]',
    rule: 'Versions are compared byte for byte (mind SQL collations).',
    source: 'docs/design.md#store-version, docs/requirements.md#f34, docs/requirements.md#c33',
    why: 'Of two overlapping changes, one would be lost because the other differs in a letter’s case only.',
    async run(f) {
      for (const [difference, before, after] of alike) {
        const { id, version } = await f.stored({ payload: before })
        const changed = f.record({ payload: after })
        equal(
          await f.store.replace(id, changed, version, f.context()),
          'ok',
          'the answer of the first replace()',
        )
        const what = `after a change of ${difference} only`
        const late = f.record()
        equal(
          await f.store.replace(id, late, version, f.context()),
          'stale',
          `replace() at the old version ${what}`,
        )
        equal(await f.store.touch(id, late.expiresAt, version, f.context()), false, `touch() at it ${what}`)
        equal(await f.store.remove(id, version, f.context()), 'stale', `remove() at it ${what}`)
        equal((await f.readLive(id, 'the record')).payload, after, 'the payload')
      }
    },
  },
  {
    id: 'store/version-case',
    title: 'a version with its letters in the other case is another version',
    rule: 'Opaque, compared byte for byte.',
    source: 'docs/design.md#store-version, docs/requirements.md#f34',
    why: 'Two changes whose marks differ in case only would overwrite each other.',
    async run(f) {
      // A digest or token may happen to hold no letter, so a few records are tried.
      for (let n = 0; n < 8; n++) {
        const { id, record, version } = await f.stored()
        const swapped = version.replace(/[a-z]/gi, letter =>
          letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase(),
        )
        if (swapped === version) continue
        const context = f.context()
        equal(await f.store.replace(id, f.record(), swapped, context), 'stale', 'the answer of replace()')
        equal(await f.store.touch(id, record.expiresAt + 1, swapped, context), false, 'the answer of touch()')
        equal(await f.store.remove(id, swapped, context), 'stale', 'the answer of remove()')
        equal((await f.readLive(id, 'the record')).payload, record.payload, 'its payload')
        return
      }
    },
  },
  {
    id: 'store/version-stable',
    title: 'reading twice gives the same version',
    rule: 'A version changes when the record does, not when it is looked at.',
    source: 'docs/design.md#store-version',
    why: 'Every save would meet a conflict that is none, until it gives up.',
    async run(f) {
      const { id, version } = await f.stored()
      equal((await f.readLive(id, 'the record')).version, version, 'the version read the second time')
      equal(
        await f.store.replace(id, f.record(), version, f.context()),
        'ok',
        'replace() at the version read first',
      )
    },
  },
  {
    id: 'store/version-never-again',
    title: 'a record that is replaced again and again, or removed and inserted, never has a version twice',
    rule: 'stale: it has another version. A version is that of one write and never comes back.',
    source: 'docs/design.md#store-version, docs/requirements.md#f16; PostgreSQL uses a `ctid` again',
    why: 'A page that was left open would overwrite, hours later, what has been saved since.',
    async run(f) {
      const { expiresAt } = f.record()
      const record = (n: number) => ({ payload: `{"n":${n},"of":"${'x'.repeat(100)}"}`, expiresAt })
      const id = f.id()
      equal(await f.store.insert(id, record(0), f.context()), true, 'the answer of insert()')
      const seen = new Map<string, number>()
      // PostgreSQL uses a place again after some 30 writes.
      const count = f.quick ? 40 : 60
      for (let n = 1; n <= count; n++) {
        const { version } = await f.readLive(id, 'the record')
        const before = seen.get(version)
        if (before !== undefined)
          fail('every write to give a new version', `write ${n} gave the version of write ${before} again`)
        seen.set(version, n)
        if (n % 10 > 0) {
          equal(await f.store.replace(id, record(n), version, f.context()), 'ok', 'the answer of replace()')
          continue
        }
        equal(await f.store.remove(id, version, f.context()), 'ok', 'the answer of remove()')
        equal(await f.store.insert(id, record(n), f.context()), true, 'the answer of insert() after remove()')
      }
    },
  },
  {
    id: 'store/version-of-another',
    title: 'the version of another record is stale',
    rule: 'stale: it has another version.',
    source: 'docs/design.md#store-replace, docs/design.md#store-touch, docs/design.md#store-remove',
    why: 'A mistaken retry could overwrite what it never read.',
    async run(f) {
      const two = await f.stored()
      const changed = f.record()
      equal(
        await f.store.replace(two.id, changed, two.version, f.context()),
        'ok',
        'the answer of the first replace()',
      )
      const { version } = await f.readLive(two.id, 'the second record')
      const three = await f.stored()
      equal(
        await f.store.replace(three.id, f.record(), version, f.context()),
        'stale',
        'the answer of replace()',
      )
      equal(
        await f.store.touch(three.id, changed.expiresAt, version, f.context()),
        false,
        'the answer of touch()',
      )
      equal(await f.store.remove(three.id, version, f.context()), 'stale', 'the answer of remove()')
    },
  },
]
