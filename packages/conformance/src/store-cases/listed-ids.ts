import type { StoredEntry } from '@sess/core'
import { equal, fail } from '../check.ts'
import { type StoreCase, type StoreFixture, without } from '../store-fixture.ts'

/** Both forms of an id (40 of 0-9a-f, 32 of 0-9a-z), also as texts that a database could take for something else. */
function idsOfAllForms(f: StoreFixture): string[] {
  const digits = (count: number) =>
    Array.from(f.id() + f.id(), each => Number.parseInt(each, 16) % 10)
      .join('')
      .slice(0, count)
  const letters = f.id().replace(/\d/g, digit => 'qrstuvwxyz'[Number(digit)] as string)
  return [
    f.id().slice(0, 32),
    f.id(),
    letters.slice(0, 32),
    digits(32),
    digits(40),
    `000000${digits(26)}`,
    `000000${f.id().slice(6)}`,
    `${digits(20)}e${digits(11)}`,
    `${digits(20)}e${digits(19)}`,
    `0x${f.id().slice(2, 32)}`,
  ]
}

export const listedIdCases: readonly StoreCase[] = [
  {
    id: 'store/ids-listed',
    title: 'ids of both lengths are listed as they were inserted, and a listed id ends its session [A24]',
    rule: 'Ids are 40 characters of [0-9a-f], or 32 of [a-z0-9] with hashKeys: false. A list gives the id itself.',
    source:
      'docs/design.md#store-scan, docs/design.md#store-subject, docs/requirements.md#a24; `char(40)` pads',
    why: 'A user who ends a device in the list would be told that it is gone, and it would stay signed in.',
    skip: f =>
      without('scan')(f) && without('scanBySubject')(f) && without('removeBySubject')(f)
        ? 'the store offers no scan(), scanBySubject(), removeBySubject()'
        : undefined,
    async run(f) {
      const subject = `user-${f.id()}`
      const idOf = new Map<string, string>()
      for (const id of idsOfAllForms(f)) idOf.set((await f.stored({ subject }, id)).record.payload, id)
      const compared = async (entries: AsyncIterable<StoredEntry>, method: string) => {
        const waiting = new Map(idOf)
        for await (const { id, payload } of entries) {
          const expected = waiting.get(payload)
          if (expected === undefined) continue
          equal(id, expected, `the id that ${method}() gives, of ${expected.length} characters`)
          waiting.delete(payload)
        }
        for (const [, id] of waiting) fail(`${method}() to give the id ${id}`, 'it was missing')
      }
      if (f.store.scan) await compared(f.store.scan(f.context()), 'scan')
      if (f.store.scanBySubject) await compared(f.store.scanBySubject(subject, f.context()), 'scanBySubject')
      for (const id of idOf.values()) {
        equal(await f.store.remove(id, undefined, f.context()), 'ok', `the answer of remove() for ${id}`)
        equal(await f.read(id), null, 'what is read after that')
      }
      if (!f.store.removeBySubject) return
      for (const except of idsOfAllForms(f).slice(0, 4)) {
        for (const id of [except, f.id(), f.id().slice(0, 32)]) await f.stored({ subject }, id)
        const what = `removeBySubject() but for an id of ${except.length} characters`
        equal(await f.store.removeBySubject(subject, { ...f.context(), except }), 2, `the answer of ${what}`)
        await f.readLive(except, `the session that stays after ${what}`)
        equal(await f.store.removeBySubject(subject, f.context()), 1, 'the answer without `except`')
        equal(await f.read(except), null, 'what is read after that')
      }
    },
  },
]
