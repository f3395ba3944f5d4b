import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { sqliteStore } from '@sess/store-sql'
import { afterAll, describe, expect, test } from 'vitest'
import { djangoCodec } from '../../src/django.ts'
import { createSessions } from '../../src/index.ts'
import { folder, isOurFolder, rawCases } from './recordings.ts'
import { canonical, momentOf, spell } from './values.ts'

interface Dump {
  id: string
  input: { secret: string; now: number; settings: { USE_TZ: boolean } }
  expect: { rows: Record<string, { expire_date: string; load: { value: unknown }; key_kept: boolean }> }
}

const dumps = rawCases<Dump>('sqlite_dumps.json').filter(({ id }) => existsSync(fileOf(id)))
const counts = { rows: 0, equal: 0, naive: 0 }

function fileOf(id: string): string {
  return join(folder, 'dumps', `${id}.sql`)
}

/** Sess over the database that Django's `migrate` and its db backend left. */
function restored({ id, input }: Dump) {
  const db = new DatabaseSync(':memory:')
  db.exec(readFileSync(fileOf(id), 'utf8'))
  const clock = () => input.now * 1000
  const sessions = createSessions({
    store: sqliteStore(db, { table: 'django_session', subject: false }),
    codec: djangoCodec({ secret: input.secret, clock }),
    hashKeys: false,
    trackMutations: false,
    clock,
  })
  return { db, sessions }
}

for (const dump of dumps) {
  describe(`sqlite_dumps.json: ${dump.id}`, () => {
    for (const [key, recorded] of Object.entries(dump.expect.rows)) {
      test(`${key} is loaded as Django loads it, and saved as Django saves it`, async () => {
        counts.rows++
        const { db, sessions } = restored(dump)
        const session = sessions.open(`sessionid=${key}`)
        await session.load()
        const data = canonical(spell(session.toJSON()))
        const isKept = session.sessionKey === key
        const isSame = isKept === recorded.key_kept && data === canonical(spell(recorded.load.value))
        if (isSame) counts.equal++
        else {
          // `expiry-is-a-moment`: without USE_TZ the column has local times, which count as UTC.
          expect(dump.input.settings.USE_TZ).toBe(false)
          expect(isKept).toBe(momentOf(recorded.expire_date) > dump.input.now * 1e6)
          counts.naive++
        }
        session.set('seen', true)
        await session.save()
        const saved = db
          .prepare('select * from django_session where session_key = ?')
          .get(session.sessionKey) as Record<string, string>
        expect(Object.keys(saved).sort()).toEqual(['expire_date', 'session_data', 'session_key'])
        expect(saved['expire_date']).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{6})?$/)
        expect(djangoCodec({ secret: dump.input.secret }).decode(saved['session_data']!)).toMatchObject({
          seen: true,
        })
        db.close()
      })
    }
  })
}

if (isOurFolder) test('every dump is there', () => expect(dumps).toHaveLength(2))
else if (dumps.length === 0) test('dumps', ({ skip }) => skip('this folder has none'))

afterAll(() => {
  console.log(
    `sqlite_dumps.json: ${dumps.length} databases of ${counts.rows} sessions, ${counts.equal} as Django, ` +
      `${counts.naive} by a documented difference (expiry-is-a-moment)`,
  )
})
