import { equal, ok, outcome, sameText, show } from '../check.ts'
import { type StoreCase, type StoreFixture, without } from '../store-fixture.ts'
import { eachOf } from './everywhere.ts'

/** More than the suite writes into one record. */
const MOST_BYTES = 4_194_304

/** The longest subject that there is, in the most bytes. */
const LONGEST_SUBJECT = '漢'.repeat(255)

/** Live records for some pages of the backend that hold no expired one, or as many as a slow one stores in time. */
async function livePages(f: StoreFixture): Promise<number> {
  const page = Math.min(f.pageSize ?? 100, f.quick ? 25 : 220)
  return Math.max(10, Math.min(5 * page, Math.floor(12_000 / Math.max(0.1, await f.pace()))))
}

/** How much a record may hold, and what a page may not. */
export const limitCases: readonly StoreCase[] = [
  {
    id: 'store/clear-expired-live-pages',
    title: 'clearExpired finds a few expired records behind whole pages of live ones [F25]',
    rule: 'Removes expired records in batches, until there are none.',
    source:
      'docs/design.md#store-clear-expired, docs/requirements.md#f25; filtered pages of DynamoDB; docs/conformance-space.md, numbers',
    why: 'Expired sessions, and the personal data in them, would stay for ever, because the clean-up ends at a page without one.',
    skip: without('clearExpired'),
    async run(f) {
      const clear = async () => {
        let removed = 0
        for await (const batch of f.store.clearExpired?.(f.context()) ?? []) removed += batch.removed
        return removed
      }
      const insert = async (expiresAt: number) => {
        const record = f.record({ expiresAt })
        equal(await f.store.insert(f.id(), record, f.context()), true, 'the answer of insert()')
      }
      const live = Array.from({ length: await livePages(f) })
      await eachOf(live, () => insert(f.clock.now() + 3_600_000), 50)
      // Their ids, and so their pages, are others each time.
      for (let round = f.clock.exact ? 4 : 2; round > 0; round--) {
        const expiresAt = f.clock.now() + f.clock.life
        await eachOf([1, 2, 3], () => insert(expiresAt))
        await f.clock.advance(f.clock.life)
        const removed = await clear()
        ok(
          removed >= 3,
          `clearExpired() to report 3 expired records among ${live.length} live ones`,
          `it reported ${removed}`,
        )
        equal(await clear(), 0, 'what a second clearExpired() reports')
      }
    },
  },
  {
    id: 'store/life-size-longest-subject',
    title: 'a payload of exactly maxBytes is stored beside the longest subject [C22]',
    rule: 'maxBytes counts the bytes of the payload alone: names, the id and the subject need room of their own.',
    source: 'docs/design.md#store-record, docs/requirements.md#c22; docs/conformance-space.md, a record',
    why: 'A big session of a user with a long name would be an error of the backend, and not the one that names the limit.',
    async run(f) {
      const size = Math.min(f.store.maxBytes ?? f.maxBytes, MOST_BYTES)
      const texts = ['x'.repeat(size), `${'漢'.repeat(Math.floor(size / 3))}${'x'.repeat(size % 3)}`]
      for (const [n, payload] of texts.entries()) {
        const what = `a payload of ${size} bytes, ${n === 0 ? 'one' : 'three'} a character, and a subject of 255 characters of three bytes`
        const id = f.id()
        const record = f.record({ payload, subject: LONGEST_SUBJECT })
        const inserted = await outcome(() => f.store.insert(id, record, f.context()))
        ok(inserted.value === true, `insert() of ${what} to return true`, resultOf(inserted))
        const found = await f.readLive(id, what)
        sameText(found.payload, payload, what)
        const replaced = await outcome(() => f.store.replace(id, record, found.version, f.context()))
        ok(replaced.value === 'ok', `replace() with ${what} to return "ok"`, resultOf(replaced))
        equal((await f.readLive(id, what)).subject, LONGEST_SUBJECT, 'its subject')
        equal(await f.store.remove(id, undefined, f.context()), 'ok', `the answer of remove() of ${what}`)
      }
    },
  },
]

const resultOf = ({ value, error }: { value?: unknown; error?: unknown }): string =>
  error === undefined ? `it returned ${show(value)}` : `it failed: ${show(error)}`
