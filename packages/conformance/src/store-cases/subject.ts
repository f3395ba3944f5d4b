import type { StoredEntry } from '@sess/core'
import { equal, ok, show } from '../check.ts'
import { facts, type StoreCase, type StoreFixture, without } from '../store-fixture.ts'
import { CHECK_REMEDIES } from './check-remedies.ts'
import { meanwhile, spreads } from './meanwhile.ts'

async function idsOf(f: StoreFixture, subject: string): Promise<string[]> {
  return (await entriesOf(f, subject)).map(({ id }) => id).sort()
}

async function entriesOf(f: StoreFixture, subject: string): Promise<StoredEntry[]> {
  const entries: StoredEntry[] = []
  for await (const entry of f.store.scanBySubject?.(subject, f.context()) ?? []) entries.push(entry)
  return entries
}

async function removeBySubject(f: StoreFixture, subject: string, except?: string): Promise<unknown> {
  return await f.store.removeBySubject?.(subject, {
    ...f.context(),
    ...(except === undefined ? {} : { except }),
  })
}

const subjectOf = (f: StoreFixture) => `user-${f.id()}`

export const subjectCases: readonly StoreCase[] = [
  {
    id: 'store/remove-by-subject',
    title: 'removeBySubject removes every record of the subject, no other, and returns how many [A24]',
    rule: 'Removes every session of a subject, again until none is left. Answers how many.',
    source: 'docs/design.md#store-subject, docs/requirements.md#a24',
    why: '"Log out everywhere" would leave a thief logged in, or log out others.',
    skip: without('removeBySubject'),
    async run(f) {
      const subject = subjectOf(f)
      const theirs = []
      for (let n = 0; n < 25; n++) theirs.push(await f.stored({ subject }))
      const stranger = await f.stored({ subject: `${subject}0` })
      const anonymous = await f.stored()
      equal(await removeBySubject(f, subject), 25, 'the answer of removeBySubject() for 25 sessions')
      for (const { id } of theirs) equal(await f.read(id), null, 'what is read of one of them')
      await f.readLive(stranger.id, 'a session of another subject')
      await f.readLive(anonymous.id, 'a session without a subject')
      equal(await removeBySubject(f, subject), 0, 'the answer the second time')
    },
  },
  {
    id: 'store/remove-by-subject-except',
    title: 'removeBySubject leaves the session named by `except`',
    rule: '`except` is the id that stays.',
    source: 'docs/design.md#store-subject; ASVS5 7.4.3',
    why: '"Log out my other devices" would log this one out too.',
    skip: without('removeBySubject'),
    async run(f) {
      const subject = subjectOf(f)
      const mine = await f.stored({ subject })
      const others = [await f.stored({ subject }), await f.stored({ subject })]
      equal(await removeBySubject(f, subject, mine.id), 2, 'the answer of removeBySubject() with except')
      const found = await f.readLive(mine.id, 'the session named by `except`')
      equal([found.payload, found.subject], [mine.record.payload, subject], 'its payload and subject')
      for (const { id } of others)
        equal(await f.read(id), null, 'what is read of another session of the subject')
    },
  },
  {
    id: 'store/remove-by-subject-unknown',
    title: 'removeBySubject of nobody removes nobody',
    rule: 'Answers how many.',
    source: 'docs/design.md#store-subject',
    why: 'An unknown user name would end sessions of other people, all anonymous ones perhaps.',
    skip: without('removeBySubject'),
    async run(f) {
      const anonymous = await f.stored()
      const known = await f.stored({ subject: subjectOf(f) })
      equal(await removeBySubject(f, subjectOf(f)), 0, 'the answer for a subject without sessions')
      equal(await removeBySubject(f, known.id), 0, 'the answer for an id given as a subject')
      await f.readLive(anonymous.id, 'a session without a subject')
      await f.readLive(known.id, 'a session of another subject')
    },
  },
  {
    id: 'store/subject-follows-replace',
    title: 'the index of subjects follows replace: moved, dropped and added',
    rule: 'A record without `subject` has none afterwards; replace changes the subject.',
    source: 'docs/design.md#store-replace, docs/design.md#store-subject',
    why: 'After switching accounts, logging the first one out everywhere would end the second one’s session.',
    skip: without('removeBySubject'),
    async run(f) {
      const [first, second] = [subjectOf(f), subjectOf(f)]
      const moved = await f.stored({ subject: first })
      const dropped = await f.stored({ subject: first })
      const added = await f.stored()
      const context = f.context()
      const move = await f.store.replace(moved.id, f.record({ subject: second }), moved.version, context)
      const drop = await f.store.replace(dropped.id, f.record(), dropped.version, context)
      const add = await f.store.replace(added.id, f.record({ subject: second }), added.version, context)
      equal([move, drop, add], ['ok', 'ok', 'ok'], 'the answers of three replaces')
      equal(await removeBySubject(f, first), 0, 'the answer for the subject that nobody has any more')
      await f.readLive(moved.id, 'the session that is the second subject’s now')
      await f.readLive(dropped.id, 'the session that is nobody’s now')
      equal(await removeBySubject(f, second), 2, 'the answer for the second subject')
      equal(await f.read(moved.id), null, 'what is read of the moved session')
      equal(await f.read(added.id), null, 'what is read of the session that got a subject')
    },
  },
  {
    id: 'store/subject-exact',
    title: 'subjects are compared byte for byte [F34]',
    rule: 'A subject is 1 to 255 characters, and only its own sessions are meant.',
    source: 'docs/design.md#store-record, docs/requirements.md#f34',
    why: 'Logging "ann" out everywhere would log out "Ann", who is somebody else.',
    skip: without('removeBySubject'),
    async run(f) {
      const base = f.id()
      const subjects = [
        `${base}ann`,
        `${base}Ann`,
        `${base}ann `,
        ` ${base}ann`,
        `${base}ánn`,
        `${base}a\u0301nn`,
        `${base}%`,
        `${base}*`,
        `${base}_nn`,
        `${base}'"\\`,
        `${base}😀`,
        base,
        `${base}1`,
        `${base}01`,
        `${base}${'字'.repeat(255 - base.length)}`,
        `${base}${'字'.repeat(254 - base.length)}`,
      ]
      const ids = new Map<string, string>()
      for (const subject of subjects) {
        const { id } = await f.stored({ subject })
        equal((await f.readLive(id, 'the record')).subject, subject, 'its subject')
        ids.set(subject, id)
      }
      for (const [n, subject] of subjects.entries()) {
        equal(
          await removeBySubject(f, subject),
          1,
          `the answer for the subject ${show(subject.replace(base, '…'))}`,
        )
        for (const [at, other] of subjects.entries()) {
          const found = await f.read(ids.get(other) ?? '')
          const shown = `${show(other.replace(base, '…'))} after ${show(subject.replace(base, '…'))} was logged out`
          equal(found !== null, at > n, `whether there is a session of ${shown}`)
        }
      }
    },
  },
  {
    id: 'store/subject-numbers',
    title: 'subjects that are equal as numbers are different subjects',
    rule: 'subject is text, also where it is compared: in scanBySubject() and in removeBySubject().',
    source:
      'docs/design.md#store-subject; numbers that a driver passes as numbers, and columns that convert them',
    why: 'Logging "7" out everywhere would log out "007", and a user whose id has 19 digits could not be found.',
    skip: without('removeBySubject'),
    async run(f) {
      const digits = `1${[...f.id()].map(each => (each.codePointAt(0) ?? 0) % 10).join('')}`
      const short = digits.slice(0, 12)
      const alike = [short, `0${short}`, `00${short}`, `+${short}`, `${short}.0`, `${short}e0`, ` ${short}`]
      const long = digits.slice(0, 16)
      const subjects = [...alike, `${long}001`, `${long}002`, `${long}003`]
      const ids = new Map<string, string>()
      for (const subject of subjects) ids.set(subject, (await f.stored({ subject })).id)
      for (const [n, subject] of subjects.entries()) {
        if (f.store.scanBySubject) {
          const listed = []
          for await (const { id } of f.store.scanBySubject(subject, f.context())) listed.push(id)
          equal(listed, [ids.get(subject)], `the ids that scanBySubject(${show(subject)}) lists`)
        }
        equal(await removeBySubject(f, subject), 1, `the result of removeBySubject(${show(subject)})`)
        for (const other of subjects.slice(n + 1))
          await f.readLive(
            ids.get(other) ?? '',
            `the session of ${show(other)} after ${show(subject)} was logged out`,
          )
      }
    },
  },
  {
    id: 'store/subject-separators',
    title: 'a subject that continues another behind a separator is somebody else',
    rule: 'Only its own sessions are meant, whatever keys the store makes of subject and id.',
    source: 'docs/design.md#store-record; ranges and prefixes of keys like `subject!id`',
    why: 'Logging "ann" out everywhere would log out "ann!x", "ann:x" or "ann/x", who is somebody else.',
    skip: without('removeBySubject'),
    async run(f) {
      const ann = subjectOf(f)
      const separators = [...'!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~ \t\n\x01\x1e\x1f\x7f', '::', '--', '//']
      const others = separators.map(separator => {
        const id = f.id()
        // By its end, too, the key of such a record looks like one of ann’s.
        return { id, separator, subject: `${ann}${separator}${id}` }
      })
      await Promise.all(others.map(({ id, subject }) => f.stored({ subject }, id)))
      const hers = await f.stored({ subject: ann })
      if (f.store.scanBySubject) equal(await idsOf(f, ann), [hers.id], 'the ids that scanBySubject() gave')
      equal(await removeBySubject(f, ann), 1, 'the answer for a subject with one session')
      equal(await f.read(hers.id), null, 'what is read of that session')
      for (const { id, separator, subject } of others) {
        const found = await f.readLive(id, `the session of a subject that goes on with ${show(separator)}`)
        equal(found.subject, subject, 'its subject')
      }
      for (const { subject } of others)
        equal(await removeBySubject(f, subject), 1, 'the answer for each of them')
    },
  },
  {
    id: 'store/subject-counts-live',
    title: 'expired sessions of a subject are not counted, and do not return',
    rule: 'To every method an expired record is absent.',
    source: 'docs/design.md#store-subject',
    why: '"You were logged out of 40 devices" where there were two.',
    skip: without('removeBySubject'),
    async run(f) {
      const subject = subjectOf(f)
      const old = await f.stored({ subject, expiresAt: f.clock.now() + f.clock.life })
      await f.stored({ subject })
      await f.clock.advance(f.clock.life)
      equal(
        await removeBySubject(f, subject),
        1,
        'the answer for one live and one expired session',
        CHECK_REMEDIES.countLive,
      )
      equal(await f.read(old.id), null, 'what is read of the expired one')
    },
  },
  {
    id: 'store/remove-by-subject-races-replace',
    title: 'saves in flight do not escape removeBySubject [A24]',
    rule: 'Again until none is left: a record that is being replaced is removed as well, and stays removed.',
    source: 'docs/design.md#store-subject, docs/requirements.md#a24, docs/requirements.md#f17',
    why: 'A thief who keeps clicking would survive "log out everywhere".',
    skip: without('removeBySubject'),
    async run(f) {
      const subject = subjectOf(f)
      const theirs: { id: string; version: string }[] = []
      for (let n = 0; n < 20; n++) theirs.push(await f.stored({ subject }))
      const save = async ({ id, version }: (typeof theirs)[number], n: number) => {
        const store = n % 2 ? f.store : f.other
        return await store.replace(id, f.record({ subject }), version, f.context())
      }
      const early = Promise.all(theirs.slice(0, 10).map(save))
      const removing = removeBySubject(f, subject)
      const late = Promise.all(theirs.slice(10).map(save))
      const [first, count, second] = await Promise.all([early, removing, late])
      const answers = [...first, ...second]
      for (const answer of answers) {
        ok(
          answer === 'ok' || answer === 'gone',
          'each replace to answer ok or gone',
          `one answered ${show(answer)}`,
        )
      }
      for (const { id } of theirs)
        equal(await f.read(id), null, 'what is read of a session of the subject afterwards')
      equal(count, 20, 'the answer of removeBySubject()')
    },
  },
  {
    id: 'store/remove-by-subject-races-switch',
    title: 'a session that becomes somebody else’s during removeBySubject is not removed with the others',
    rule: 'Each call is atomic on its own: once replace answers ok, the session is no longer the first subject’s.',
    source: 'docs/design.md#store-subject, docs/design.md#store-replace, docs/requirements.md#a37',
    why: 'Logging ann out everywhere would end a session that has just become bob’s, and lose what was saved.',
    skip: without('removeBySubject'),
    async run(f) {
      const [ann, bob] = [subjectOf(f), subjectOf(f)]
      const hers = () => Promise.all(Array.from({ length: 12 }, () => f.stored({ subject: ann })))
      await hers()
      for (const spread of await spreads(() => removeBySubject(f, ann))) {
        const sessions = await hers()
        const switches = sessions.map(({ id, version }) => async () => {
          const record = f.record({ subject: bob })
          return { record, answer: await f.other.replace(id, record, version, f.context()) }
        })
        const switched = await meanwhile(() => removeBySubject(f, ann), switches, spread)
        for (const [n, { answer, record }] of switched.entries()) {
          const found = await f.read(sessions[n]?.id ?? '')
          const expected = answer === 'ok' ? record : null
          equal(facts(found), expected, `what is read of a session whose switch answered ${answer}`)
        }
      }
    },
  },
  {
    id: 'store/remove-by-subject-races-rotation',
    title: 'a session that gets a new key during removeBySubject ends as well [A24]',
    rule: 'Again until none is left: a record that appears while the others are looked at is found, too.',
    source: 'docs/design.md#store-subject, docs/requirements.md#a24, docs/requirements.md#f17; ASVS5 7.4.5',
    why: 'A session whose key changes at that moment would survive "log out everywhere".',
    skip: without('removeBySubject'),
    async run(f) {
      const subject = subjectOf(f)
      await f.stored({ subject })
      const moments = 6
      for (const spread of await spreads(() => removeBySubject(f, subject))) {
        for (let moment = 0; moment < moments; moment++) {
          const { id, version } = await f.stored({ subject })
          const next = f.id()
          // As the engine rotates: the new record first, then a marker without a subject in the place of the old one.
          const rotate = async () => {
            await f.other.insert(next, f.record({ subject }), f.context())
            const answer = await f.other.replace(id, f.record(), version, f.context())
            if (answer !== 'ok') await f.other.remove(next, undefined, f.context())
          }
          const others = Array.from({ length: moments }, (_, n) => (n === moment ? rotate : () => undefined))
          await meanwhile<unknown>(() => removeBySubject(f, subject), others, spread)
          equal(await f.read(next), null, 'what is read of the session under its new key')
        }
      }
    },
  },
  {
    id: 'store/remove-by-subject-races-rotations',
    title: 'sessions that all get new keys during removeBySubject end as well [A24]',
    rule: 'A removal that found something looks again. One statement sees what was there when it began, and waits for locks.',
    source:
      'docs/design.md#store-subject, docs/requirements.md#a24; PostgreSQL, read committed isolation level of DELETE',
    why: 'A session whose key changes at that moment would survive "log out everywhere".',
    skip: without('removeBySubject'),
    async run(f) {
      const rounds = f.quick ? 6 : Math.max(6, Math.min(30, Math.floor(60 / Math.max(0.1, await f.pace()))))
      for (let round = 0; round < rounds; round++) {
        const subject = subjectOf(f)
        const sessions = await Promise.all(Array.from({ length: 8 }, () => f.stored({ subject })))
        const rotations = sessions.map(async ({ id, version }, n) => {
          const store = n % 2 ? f.store : f.other
          const next = f.id()
          await f.jitter()
          await store.insert(next, f.record({ subject }), f.context())
          const answer = await store.replace(id, f.record(), version, f.context())
          if (answer !== 'ok') await store.remove(next, undefined, f.context())
          return next
        })
        const removing = (async () => {
          if (round % 3) await f.jitter()
          await removeBySubject(f, subject)
        })()
        const [ids] = await Promise.all([Promise.all(rotations), removing])
        const left = (await Promise.all(ids.map(f.read))).filter(Boolean).length
        // Also of a rotation that begins late: it finds the old record gone, and takes the new one back.
        equal(left, 0, 'the number of sessions that live on under a new key')
      }
    },
  },
  {
    id: 'store/remove-by-subject-races-insert',
    title: 'removeBySubject amid logins and saves ends what was there, and a second call the rest',
    rule: 'Again until none is left.',
    source: 'docs/design.md#store-subject, docs/requirements.md#a24; ASVS5 7.4.5',
    why: 'A session that appears during "log out everywhere" would never end.',
    skip: without('removeBySubject'),
    async run(f) {
      const subject = subjectOf(f)
      const before = []
      for (let n = 0; n < 8; n++) before.push(await f.stored({ subject }))
      const login = async (_: unknown, n: number) => {
        const id = f.id()
        const store = n % 2 ? f.store : f.other
        if (await store.insert(id, f.record({ subject }), f.context())) {
          const found = await store.read(id, f.context())
          if (found) await store.replace(id, f.record({ subject }), found.version, f.context())
        }
        return id
      }
      const logins = Promise.all(Array.from({ length: 12 }, login))
      const [ids] = await Promise.all([logins, removeBySubject(f, subject)])
      for (const { id } of before) equal(await f.read(id), null, 'what is read of a session from before')
      await removeBySubject(f, subject)
      for (const id of ids)
        equal(await f.read(id), null, 'what is read of a later login after the second call')
      equal(await removeBySubject(f, subject), 0, 'the answer of the third call')
    },
  },
  {
    id: 'store/scan-by-subject-fresh',
    title: 'scanBySubject has what another process has inserted, given a subject or removed a moment ago',
    rule: 'Every live record of a subject: a call that has returned is in every list that begins later.',
    source: 'docs/design.md#store-subject, docs/design.md#max-sessions',
    why: 'Two logins at the same time would both be within the limit, and an ended device would still be shown.',
    skip: without('scanBySubject'),
    async run(f) {
      const subject = subjectOf(f)
      const scan = async () => {
        const ids: string[] = []
        for await (const { id } of f.other.scanBySubject?.(subject, f.context()) ?? []) ids.push(id)
        return ids.sort()
      }
      equal(await scan(), [], 'the ids before anything was inserted')
      const first = await f.stored({ subject })
      equal(await scan(), [first.id], 'the ids after an insert')
      const second = await f.stored()
      await f.store.replace(second.id, f.record({ subject }), second.version, f.context())
      equal(await scan(), [first.id, second.id].sort(), 'the ids after a session got the subject')
      await f.store.remove(first.id, undefined, f.context())
      equal(await scan(), [second.id], 'the ids after a removal')
    },
  },
  {
    id: 'store/scan-by-subject',
    title: 'scanBySubject gives every live record of the subject, with its id, and none else',
    rule: 'Every live record of a subject.',
    source: 'docs/design.md#store-subject; ASVS5 7.5.2',
    why: 'The page "your devices" would show somebody else’s, or hide a thief’s.',
    skip: without('scanBySubject'),
    async run(f) {
      const subject = subjectOf(f)
      const theirs = []
      for (let n = 0; n < 12; n++) theirs.push(await f.stored({ subject }))
      await f.stored({ subject: `${subject} ` })
      await f.stored()
      await f.stored({ subject, expiresAt: f.clock.now() + f.clock.life })
      const removed = await f.stored({ subject })
      await f.store.remove(removed.id, undefined, f.context())
      const moved = await f.stored({ subject })
      await f.store.replace(moved.id, f.record(), moved.version, f.context())
      await f.clock.advance(f.clock.life)
      equal(await idsOf(f, subject), theirs.map(({ id }) => id).sort(), 'the ids that scanBySubject() gave')
      for (const entry of await entriesOf(f, subject)) {
        const found = await f.readLive(entry.id, 'an entry’s record')
        equal(
          [facts(entry), entry.version],
          [facts(found), found.version],
          'an entry, compared with what read() gives',
        )
      }
      equal(await idsOf(f, subjectOf(f)), [], 'the ids of a subject without sessions')
    },
  },
]
