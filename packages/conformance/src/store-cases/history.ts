import type { SessionRecord } from '@sess/core'
import { equal } from '../check.ts'
import { withoutMeans } from '../means.ts'
import { facts, type StoreCase, without } from '../store-fixture.ts'

/** Mulberry32: small, seeded, good enough to pick what comes next. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

export const historyCases: readonly StoreCase[] = [
  {
    id: 'store/random-history',
    title: 'three hundred random calls return what the contract says',
    rule: 'The contract as a whole: each answer follows from the calls before it.',
    source: 'docs/design.md#store-contract',
    why: 'Rules that hold one by one but not together show up as sessions lost at random.',
    random: true,
    async run(f) {
      const random = seeded(f.seed)
      const pick = <T>(items: readonly T[]) => items[Math.floor(random() * items.length)] as T
      const ids = Array.from({ length: 5 }, () => f.id())
      /** What must be there, and every version ever seen of it. */
      const model = new Map<string, { record: SessionRecord; version: string }>()
      const seen = new Map<string, { version: string; payload: string }[]>(ids.map(id => [id, []]))

      for (let step = 0; step < (f.quick ? 80 : 300); step++) {
        const store = random() < 0.5 ? f.store : f.other
        const id = pick(ids)
        const known = model.get(id)
        // An old version is one whose payload is not the present one: a payload may well be its own version.
        const older = (seen.get(id) ?? []).filter(old => old.payload !== known?.record.payload)
        const useOld = older.length > 0 && random() < 0.3
        const version = useOld ? pick(older).version : (known?.version ?? pick(older)?.version ?? 'none')
        const current = known !== undefined && !useOld
        const record = f.record(random() < 0.5 ? {} : { subject: pick(['ann', 'bob']) })
        const call = pick([
          'read',
          'read',
          'insert',
          'insert',
          'replace',
          'replace',
          'replace',
          'touch',
          'remove',
          'removeAt',
        ])
        const what = `the answer of ${call}() in step ${step}`
        const expected = known === undefined ? 'gone' : current ? 'ok' : 'stale'

        if (call === 'insert') {
          equal(await store.insert(id, record, f.context()), known === undefined, what)
          if (known === undefined) model.set(id, { record, version: '' })
        } else if (call === 'replace') {
          equal(await store.replace(id, record, version, f.context()), expected, what)
          if (expected === 'ok') model.set(id, { record, version: '' })
        } else if (call === 'touch') {
          equal(await store.touch(id, record.expiresAt + step, version, f.context()), expected === 'ok', what)
          if (known && current) known.record = { ...known.record, expiresAt: record.expiresAt + step }
        } else if (call === 'remove') {
          equal(await store.remove(id, undefined, f.context()), known === undefined ? 'gone' : 'ok', what)
          model.delete(id)
        } else if (call === 'removeAt') {
          equal(await store.remove(id, version, f.context()), expected, what)
          if (expected === 'ok') model.delete(id)
        }

        const found = await f.read(id)
        const now = model.get(id)
        equal(facts(found), now?.record ?? null, `the record after ${call}() in step ${step}`)
        if (now && found) {
          now.version = found.version
          seen.get(id)?.push({ version: found.version, payload: now.record.payload })
        }
      }
    },
  },
  {
    id: 'store/close',
    title: 'close releases what the store itself opened; another store on the backend works on',
    rule: 'Releases what the store itself opened. A connection that was handed in stays open.',
    source: 'docs/design.md#store-close',
    why: 'Shutting down one part of a program would take the sessions away from the rest.',
    skip: f => without('close')(f) ?? withoutMeans('second')(f),
    async run(f) {
      const { id, record } = await f.stored()
      await f.other.close?.()
      equal(
        (await f.readLive(id, 'a record after the second store was closed')).payload,
        record.payload,
        'its payload',
      )
    },
  },
]
