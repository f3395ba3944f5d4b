import type { Store, StoredEntry } from '@sess/core'
import { equal, ok } from '../check.ts'
import { facts, type StoreCase, type StoreFixture, without } from '../store-fixture.ts'
import { eachOf } from './everywhere.ts'

type Listing = (f: StoreFixture, subject: string) => AsyncIterable<StoredEntry> | undefined

const LISTINGS: readonly { name: string; method: keyof Store; list: Listing }[] = [
  { name: 'scan', method: 'scan', list: f => f.store.scan?.(f.context()) },
  {
    name: 'scan-by-subject',
    method: 'scanBySubject',
    list: (f, subject) => f.store.scanBySubject?.(subject, f.context()),
  },
]

/** Calls of both store objects while the caller has an entry and has not asked for the next one. */
async function writesAndReads(f: StoreFixture, subject: string, method: string): Promise<void> {
  const when = `while a ${method}() is open`
  const context = f.context()
  const [removed, replaced, saved, touched] = [
    await f.stored({ subject }),
    await f.stored({ subject }),
    await f.stored({ subject }),
    await f.stored({ subject }),
  ] as const
  const entries = LISTINGS.find(each => each.method === method)?.list(f, subject)
  const iterator = entries?.[Symbol.asyncIterator]()
  equal((await iterator?.next())?.done, false, `whether ${method}() over records is done at once`)
  try {
    const record = f.record({ subject })
    equal(await f.other.remove(removed.id, undefined, context), 'ok', `remove() by another store ${when}`)
    equal(
      await f.other.replace(replaced.id, record, replaced.version, context),
      'ok',
      `replace() by another store ${when}`,
    )
    equal(await f.read(removed.id), null, `what is read of a record that was removed ${when}`)
    equal(facts(await f.read(replaced.id)), facts(record), `what is read of a record replaced ${when}`)
    const own = f.record({ subject })
    equal(await f.store.replace(saved.id, own, saved.version, context), 'ok', `replace() ${when}`)
    equal(
      facts(await f.other.read(saved.id, context)),
      facts(own),
      `what another store reads of a record replaced ${when}`,
    )
    const later = touched.record.expiresAt + 1_000
    equal(await f.store.touch(touched.id, later, touched.version, context), true, `touch() ${when}`)
    const fresh = f.id()
    equal(await f.store.insert(fresh, f.record({ subject }), context), true, `insert() ${when}`)
    ok((await f.other.read(fresh, context)) !== null, `another store to find it ${when}`, 'it read null')
  } finally {
    await iterator?.return?.()
  }
}

export const openScanCases: readonly StoreCase[] = LISTINGS.map(({ name, method, list }) => ({
  id: `store/${name}-open`,
  title: `a ${method} whose caller takes its time hides no change of others and hinders no write`,
  rule: 'Once a write is answered, every reader of the backend finds it, whatever else is under way on the same store.',
  source: 'docs/design.md#store-scan, docs/requirements.md#i2; docs/conformance-space.md, overlap',
  why: 'While somebody looks at a list of sessions, one that was logged out elsewhere would still be signed in, and saves would fail.',
  skip: without(method),
  async run(f) {
    const subject = `user-${f.id()}`
    await eachOf([1, 2, 3], () => f.stored({ subject }))
    await writesAndReads(f, subject, method)
    // Behind one that nobody ends, and then with more records than a page holds.
    const forgotten = list(f, subject)?.[Symbol.asyncIterator]()
    await forgotten?.next()
    try {
      await writesAndReads(f, subject, method)
      if (f.quick) return
      await eachOf(Array.from({ length: (f.pageSize ?? 100) + 5 }), () => f.stored({ subject }))
      await writesAndReads(f, subject, method)
    } finally {
      await forgotten?.return?.()
    }
  },
}))
