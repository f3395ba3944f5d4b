import { equal } from '../check.ts'
import { type StoreCase, without } from '../store-fixture.ts'
import { eachOf } from './everywhere.ts'

/** Some records among very many. */
export const crowdCases: readonly StoreCase[] = [
  {
    id: 'store/few-among-expired',
    title: 'a few live records stay and are listed among thousands that have expired since',
    rule: 'A record lives until its expiry, however many others there are. Every live record is in a scan.',
    source:
      'docs/design.md#store-record, docs/design.md#store-scan; docs/conformance-space.md, many of a kind',
    why: 'On a busy day visitors would be logged out at random, or their sessions would not be listed.',
    async run(f) {
      const many = f.quick ? 260 : Math.max(2_200, 2 * (f.pageSize ?? 0))
      const ids = Array.from({ length: 3 }, () => f.id())
      const subject = `user-${f.id()}`
      for (const id of ids) await f.stored({ subject }, id)
      const expiresAt = f.clock.now() + f.clock.life
      await eachOf(
        Array.from({ length: many }),
        async (_, n) =>
          // Every second one is the subject's own.
          await f.store.insert(f.id(), f.record(n % 2 ? { expiresAt } : { expiresAt, subject }), f.context()),
        50,
      )
      await f.clock.advance(f.clock.life)
      for (const id of ids) await f.readLive(id, 'a live record among many that have expired')
      const missing = async (entries: AsyncIterable<{ id: string }>) => {
        const waiting = new Set(ids)
        for await (const { id } of entries) waiting.delete(id)
        return waiting.size
      }
      if (f.store.scan) equal(await missing(f.store.scan(f.context())), 0, 'live records that scan() missed')
      if (f.store.scanBySubject) {
        const entries = f.store.scanBySubject(subject, f.context())
        equal(await missing(entries), 0, 'live records that scanBySubject() missed')
      }
      if (f.store.removeBySubject) {
        await f.store.removeBySubject(subject, f.context())
        for (const id of ids) equal(await f.read(id), null, 'a record of the subject after removeBySubject()')
      }
    },
  },
  {
    id: 'store/subject-is-text',
    title: 'a subject that looks like a number, a truth, a date or JSON is read as the text that it is',
    rule: 'subject is text, compared byte for byte, and so is payload.',
    source: 'docs/design.md#store-subject; docs/conformance-space.md, the sessions of a subject',
    why: 'The user "007" would share sessions with "7", and the user "null" could not be logged out everywhere.',
    skip: without('removeBySubject'),
    async run(f) {
      const texts = [
        '42',
        '007',
        '1.0',
        '-0',
        '0x1F',
        '1e3',
        '1_000',
        'true',
        'null',
        'NaN',
        '"ann"',
        '[]',
        '{"a":1}',
      ]
      for (const text of [...texts, '2026-11-29', '2026-11-29T00:00:00.000Z', '12345678901234567890']) {
        const { id } = await f.stored({ subject: text, payload: text })
        for (const store of [f.store, f.other]) {
          const found = await store.read(id, f.context())
          equal(
            [found?.subject, found?.payload],
            [text, text],
            `subject and payload of ${JSON.stringify(text)}`,
          )
        }
        equal(await f.store.remove(id, undefined, f.context()), 'ok', 'the answer of remove()')
      }
    },
  },
]
