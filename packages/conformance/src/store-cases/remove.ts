import { equal } from '../check.ts'
import type { StoreCase } from '../store-fixture.ts'

export const removeCases: readonly StoreCase[] = [
  {
    id: 'store/remove',
    title: 'remove takes the record away, and only that one',
    rule: 'Removes the record.',
    source: 'docs/design.md#store-remove, docs/requirements.md#a23',
    why: 'Logging out would do nothing, or log others out.',
    async run(f) {
      const { id } = await f.stored({ subject: 'ann' })
      const other = await f.stored({ subject: 'ann' })
      equal(await f.store.remove(id, undefined, f.context()), 'ok', 'the answer of remove()')
      equal(await f.read(id), null, 'what is read after that')
      equal((await f.readLive(other.id, 'another record')).payload, other.record.payload, 'its payload')
    },
  },
  {
    id: 'store/remove-gone',
    title: 'removing what is not there is no error',
    rule: 'gone (no error): there was none.',
    source: 'docs/design.md#store-remove',
    why: 'Logging out twice, in two tabs say, would answer with an error page.',
    async run(f) {
      const { id, version } = await f.stored()
      equal(await f.store.remove(id, undefined, f.context()), 'ok', 'the answer of the first remove()')
      equal(await f.store.remove(id, undefined, f.context()), 'gone', 'the answer of the second remove()')
      equal(
        await f.store.remove(id, version, f.context()),
        'gone',
        'the answer of remove() at the old version',
      )
      equal(
        await f.store.remove(f.id(), undefined, f.context()),
        'gone',
        'the answer of remove() for an unknown id',
      )
    },
  },
  {
    id: 'store/remove-at-version',
    title: 'remove at the version that was read removes',
    rule: 'With a version, only at that version.',
    source: 'docs/design.md#store-remove',
    why: 'Logging out would not work.',
    async run(f) {
      const { id, version } = await f.stored()
      equal(
        await f.store.remove(id, version, f.context()),
        'ok',
        'the answer of remove() at the version read',
      )
      equal(await f.read(id), null, 'what is read after that')
    },
  },
  {
    id: 'store/remove-stale',
    title: 'remove at another version leaves the record as it is',
    rule: 'stale: it has another version and stays.',
    source: 'docs/design.md#store-remove, docs/requirements.md#f17',
    why: 'A logout that overlaps a login would remove the marker and miss the new session, which then lives on.',
    async run(f) {
      const { id, version } = await f.stored()
      equal(await f.store.replace(id, f.record(), version, f.context()), 'ok', 'the answer of replace()')
      const before = await f.readLive(id, 'the record')
      equal(
        await f.store.remove(id, version, f.context()),
        'stale',
        'the answer of remove() at the version before',
      )
      equal(await f.readLive(id, 'the record'), before, 'the record after it')
      equal(await f.store.remove(id, before.version, f.context()), 'ok', 'the answer at the version it has')
    },
  },
  {
    id: 'store/remove-expired',
    title: 'remove finds an expired record gone',
    rule: 'To every method an expired record is absent.',
    source: 'docs/design.md#store-remove',
    why: 'A caller that counts logouts would count sessions that had ended long before.',
    async run(f) {
      const life = { expiresAt: f.clock.now() + f.clock.life }
      const one = await f.stored(life)
      const two = await f.stored(life)
      await f.clock.advance(f.clock.life)
      equal(await f.store.remove(one.id, undefined, f.context()), 'gone', 'the answer for an expired record')
      equal(await f.store.remove(two.id, two.version, f.context()), 'gone', 'the answer at its version')
    },
  },
  {
    id: 'store/remove-race',
    title: 'of ten removes at one version exactly one removes',
    rule: 'Each call is atomic on its own.',
    source: 'docs/design.md#store-remove, docs/requirements.md#a37',
    why: 'Two requests would both believe that they ended the session, and both act on it.',
    async run(f) {
      const { id, version } = await f.stored()
      const answers = await Promise.all(
        Array.from(
          { length: 10 },
          async (_, n) => await (n % 2 ? f.store : f.other).remove(id, version, f.context()),
        ),
      )
      equal(answers.filter(answer => answer === 'ok').length, 1, 'the number of removes that were told ok')
      equal(
        answers.filter(answer => answer === 'gone').length,
        9,
        'the number of removes that were told gone',
      )
    },
  },
  {
    id: 'store/remove-races-replace-at-version',
    title: 'a remove and a replace at one version: exactly one of them happens',
    rule: 'A version is good for one change.',
    source: 'docs/design.md#store-remove, docs/design.md#store-replace, docs/requirements.md#f17',
    why: 'A logout that overlaps a login would end the old session and leave the new one alive, or lose a save.',
    async run(f) {
      for (let round = 0; round < 10; round++) {
        const { id, version } = await f.stored()
        const record = f.record()
        const [first, second] = round % 2 ? [f.store, f.other] : [f.other, f.store]
        const [replaced, removed] = await Promise.all([
          (async () => await first.replace(id, record, version, f.context()))(),
          (async () => await second.remove(id, version, f.context()))(),
        ])
        const found = await f.read(id)
        const answers = `${String(replaced)} and ${String(removed)}`
        if (replaced === 'ok') {
          equal(answers, 'ok and stale', 'the answers of replace() and remove()')
          equal(found?.payload, record.payload, 'the payload that was kept')
        } else {
          equal(answers, 'gone and ok', 'the answers of replace() and remove()')
          equal(found, null, 'what is read after remove() answered ok')
        }
      }
    },
  },
]
