import type { StoredEntry } from '@sess/core'
import { equal, show } from '../check.ts'
import { facts, type StoreCase, type StoreFixture, without } from '../store-fixture.ts'

async function listed(f: StoreFixture, subject: string, id: string): Promise<StoredEntry | undefined> {
  let found: StoredEntry | undefined
  for await (const entry of f.store.scanBySubject?.(subject, f.context()) ?? [])
    if (entry.id === id) found = entry
  return found
}

/** The record belongs to this subject, or to nobody, and not to `former`: by every way to find it. */
async function belongsTo(
  f: StoreFixture,
  id: string,
  subject: string | undefined,
  former: string | undefined,
  when: string,
): Promise<void> {
  const { removeBySubject } = f.store
  const record = await f.readLive(id, `the record ${when}`)
  equal(record.subject, subject, `its subject ${when}`)
  equal(
    (await f.other.read(id, f.context()))?.subject,
    subject,
    `the subject that another store reads ${when}`,
  )
  if (f.store.scanBySubject && subject !== undefined)
    equal(
      facts(await listed(f, subject, id)),
      facts(record),
      `what scanBySubject() of its subject gives ${when}`,
    )
  if (former !== undefined) {
    if (f.store.scanBySubject)
      equal(await listed(f, former, id), undefined, `what scanBySubject() of the other subject gives ${when}`)
    if (removeBySubject)
      equal(
        await f.store.removeBySubject?.(former, f.context()),
        0,
        `the answer of removeBySubject() for the other subject ${when}`,
      )
    equal(facts(await f.read(id)), facts(record), `the record after that ${when}`)
  }
  if (removeBySubject && subject !== undefined) {
    equal(
      await f.store.removeBySubject?.(subject, f.context()),
      1,
      `the answer of removeBySubject() for its subject ${when}`,
    )
    equal(await f.read(id), null, `what is read after that ${when}`)
  }
}

const noSubjects = (f: StoreFixture) =>
  without('removeBySubject')(f) && without('scanBySubject')(f)
    ? 'the store offers no removeBySubject(), scanBySubject()'
    : undefined

const CHANGES: readonly (readonly [before: string | undefined, after: string | undefined])[] = [
  ['ann', 'bob'],
  ['ann', undefined],
  [undefined, 'bob'],
]

/** An id that comes again after its record is over: `end` brings that about for all records at once. */
async function insertedAgain(
  f: StoreFixture,
  expiresAt: number | undefined,
  end: (ids: readonly string[]) => Promise<void>,
  what: string,
): Promise<void> {
  const sessions = []
  for (const [before, after] of CHANGES) {
    const [former, subject] = [before && `${before}-${f.id()}`, after && `${after}-${f.id()}`]
    const part = { ...(former && { subject: former }), ...(expiresAt !== undefined && { expiresAt }) }
    sessions.push({ id: (await f.stored(part)).id, former, subject })
  }
  await end(sessions.map(({ id }) => id))
  for (const { id, former, subject } of sessions) {
    const record = f.record(subject === undefined ? {} : { subject })
    const answer = await f.store.insert(id, record, f.context())
    // The id of an expired record may still count as taken. That of a removed one may not, as store/insert-after-remove says.
    if (answer !== true) continue
    const when = `after insert() under the id of ${what} of ${show(former)}`
    equal(facts(await f.read(id)), facts(record), `the record ${when}`)
    if (expiresAt !== undefined) for await (const _ of f.store.clearExpired?.(f.context()) ?? []);
    await belongsTo(f, id, subject, former, when)
  }
}

const again = {
  rule: 'insert stores the whole record. Nothing of one that had the id before is left: neither its subject nor its place in the index.',
  source:
    'docs/design.md#store-insert, docs/design.md#store-subject; docs/conformance-space.md, order of calls',
  why: 'The session of one user would be listed, and ended, as another’s, and "log out everywhere" of its own user would miss it.',
}

/** What a call does that changes nothing: stale, or taken. */
type Refused = (f: StoreFixture, id: string, old: string, stranger: string) => unknown

const REFUSED: readonly [what: string, answer: unknown, call: Refused][] = [
  ['remove() at an old version', 'stale', (f, id, old) => f.store.remove(id, old, f.context())],
  [
    'replace() by a record of another subject at an old version',
    'stale',
    (f, id, old, stranger) => f.store.replace(id, f.record({ subject: stranger }), old, f.context()),
  ],
  [
    'replace() by a record without a subject at an old version',
    'stale',
    (f, id, old) => f.store.replace(id, f.record(), old, f.context()),
  ],
  [
    'touch() at an old version',
    false,
    (f, id, old) => f.store.touch(id, f.clock.now() + 9e6, old, f.context()),
  ],
  [
    'insert() of another subject under the taken id',
    false,
    (f, id, _, stranger) => f.store.insert(id, f.record({ subject: stranger }), f.context()),
  ],
]

export const subjectIndexCases: readonly StoreCase[] = [
  {
    id: 'store/refused-keeps-subject',
    title: 'a call that returns stale or false leaves the record in the index of its subject [A24]',
    rule: 'stale: the record has another version and stays. So does its place in the index of subjects.',
    source:
      'docs/design.md#store-remove, docs/design.md#store-replace, docs/design.md#store-subject, docs/requirements.md#a24',
    why: 'After a logout that came too late the session would live on, and "log out everywhere" would not find it.',
    skip: noSubjects,
    async run(f) {
      for (const [what, answer, call] of REFUSED) {
        const subject = `user-${f.id()}`
        const stranger = `stranger-${f.id()}`
        const { id, version } = await f.stored({ subject })
        equal(
          await f.store.replace(id, f.record({ subject }), version, f.context()),
          'ok',
          'the answer of the first replace()',
        )
        equal(await call(f, id, version, stranger), answer, `the answer of ${what}`)
        await belongsTo(f, id, subject, stranger, `after ${what}`)
      }
    },
  },
  {
    id: 'store/insert-again-after-expiry',
    title: 'an id that comes again after its record has expired belongs to its new subject alone [A24]',
    ...again,
    skip: noSubjects,
    async run(f) {
      const end = () => f.clock.advance(f.clock.life)
      await insertedAgain(f, f.clock.now() + f.clock.life, end, 'an expired record')
    },
  },
  {
    id: 'store/insert-again-after-remove',
    title: 'an id that comes again after its record was removed belongs to its new subject alone [A24]',
    ...again,
    skip: noSubjects,
    async run(f) {
      const end = async (ids: readonly string[]) => {
        for (const [n, id] of ids.entries())
          equal(
            await (n % 2 ? f.other : f.store).remove(id, undefined, f.context()),
            'ok',
            'the answer of remove()',
          )
      }
      await insertedAgain(f, undefined, end, 'a removed record')
    },
  },
]
