import type { SessionRecord, Store } from '@sess/core'
import { equal, ok, outcome } from '../check.ts'
import { withoutMeans } from '../means.ts'
import { type StoreCase, type StoreFixture, without } from '../store-fixture.ts'
import { eachOf } from './everywhere.ts'
import { turn } from './meanwhile.ts'
import { inTime } from './neighbours.ts'
import { recoveryTime } from './outage.ts'

const HOUR = 3_600_000

const pause = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))

async function idsOf(f: StoreFixture, store: Store, subject: string): Promise<string[]> {
  const ids: string[] = []
  for await (const { id } of store.scanBySubject?.(subject, f.context()) ?? []) ids.push(id)
  return ids
}

/** Calls until the call does not fail, because the store may have to connect again. Returns the result. */
async function eventually<T>(f: StoreFixture, what: string, call: () => T | PromiseLike<T>): Promise<T> {
  const until = performance.now() + recoveryTime(f)
  for (;;) {
    const settled = await outcome(() => inTime(f, what, call))
    if (settled.error === undefined) return settled.value as T
    if (performance.now() > until) throw settled.error
    await pause(20)
  }
}

/** A session that is read with a subject is in the list of that subject and in no other, and ends with it. */
async function followsRecord(f: StoreFixture, id: string, subjects: readonly string[], when: string) {
  const found = await eventually(f, `read() ${when}`, () => f.other.read(id, f.context()))
  for (const store of [f.store, f.other]) {
    if (!store.scanBySubject) break
    for (const subject of subjects) {
      const listed = await eventually(f, `scanBySubject() ${when}`, () => idsOf(f, store, subject))
      equal(
        listed.includes(id),
        found?.subject === subject,
        `whether scanBySubject() gives a session ${when} that read() gives ${found?.subject === subject ? 'with this subject' : 'without this subject'}`,
      )
    }
  }
  for (const subject of subjects) {
    const removed = await f.store.removeBySubject?.(subject, f.context())
    equal(removed, found?.subject === subject ? 1 : 0, `the answer of removeBySubject() ${when}`)
  }
  const left = await f.read(id)
  const ends = found?.subject !== undefined
  equal(left === null, ends || found === null, `whether the session ${when} has ended with its subject`)
}

interface Login {
  name: string
  title: string
  before: 'nothing' | 'nobody' | 'another'
}

const LOGINS: readonly Login[] = [
  { name: 'insert', title: 'an insert with a subject', before: 'nothing' },
  { name: 'login', title: 'a replace that gives a session its subject', before: 'nobody' },
  { name: 'switch', title: 'a replace that gives a session another subject', before: 'another' },
]

/** A store makes three writes of one call at the most: the record, the entry of the index, and the old entry. */
const WRITES = [1, 2, 3] as const

const interrupted: readonly StoreCase[] = LOGINS.map(({ name, title, before }) => ({
  id: `store/lost-index-${name}`,
  title: `after ${title}, and whose reply is lost at any of its writes, the index is that of the record [A24]`,
  rule: 'A session is in the list of its subject from the moment that it is read with this subject.',
  source:
    'docs/design.md#store-subject, docs/requirements.md#a24, docs/requirements.md#f2; docs/conformance-space.md, what needs help of the factory',
  why: 'A login during a hiccup of the network would live in no index: "log out everywhere" would leave it signed in.',
  skip: (f: StoreFixture) => without('removeBySubject')(f) ?? withoutMeans('lostReply')(f),
  async run(f: StoreFixture) {
    for (const nth of WRITES) {
      const [ann, bob] = [`ann-${f.id()}`, `bob-${f.id()}`]
      const id = f.id()
      const old =
        before === 'nothing' ? undefined : await f.stored(before === 'another' ? { subject: bob } : {}, id)
      const record: SessionRecord = f.record({ subject: ann })
      const when = `after ${title} whose answer was lost at write ${nth}`
      await f.loseAnswer?.(nth)
      await outcome(() =>
        inTime(f, `${title} whose answer is lost`, () =>
          old
            ? f.store.replace(id, record, old.version, f.context())
            : f.store.insert(id, record, f.context()),
        ),
      )
      // If the call made fewer writes, these are lost instead.
      for (let n = 1; n < nth; n++) {
        await outcome(() =>
          inTime(f, 'insert() after that', () => f.store.insert(f.id(), f.record(), f.context())),
        )
      }
      await followsRecord(f, id, [ann, bob], when)
    }
  },
}))

type Trigger = (f: StoreFixture, subject: string, neighbour: { id: string; version: string }) => unknown

/** What a store takes as an occasion to tidy its index. */
const TRIGGERS: Record<string, Trigger> = {
  insert: (f, subject) => f.store.insert(f.id(), f.record({ subject }), f.context()),
  replace: (f, subject, { id, version }) => f.store.replace(id, f.record({ subject }), version, f.context()),
  touch: (f, _, { id, version }) => f.store.touch(id, f.clock.now() + 2 * HOUR, version, f.context()),
  remove: (f, _, { id }) => f.store.remove(id, undefined, f.context()),
  scanBySubject: (f, subject) => idsOf(f, f.other, subject),
  async clearExpired(f) {
    for await (const _ of f.store.clearExpired?.(f.context()) ?? []);
  },
}

/** More than the minute that stores add to an expiry because clocks differ. */
const AFTER_GRACE = 120_000

const renewed: StoreCase = {
  id: 'store/everywhere-after-touch',
  title:
    'a session that touch() has extended is listed and ended beyond its first expiry, whatever tidies up [A24]',
  rule: 'touch() moves the expiry everywhere: in the record, and in the index of subjects.',
  source:
    'docs/design.md#store-touch, docs/design.md#store-subject, docs/requirements.md#a24; docs/conformance-space.md, time',
  why: 'A phone that is kept signed in by activity would escape "log out everywhere" after the next login.',
  skip: f =>
    without('removeBySubject')(f) ??
    (f.clock.exact ? undefined : 'the backend owns the clock, and nobody waits for minutes'),
  async run(f) {
    const now = f.clock.now()
    const sessions = await eachOf(Object.entries(TRIGGERS), async ([name, trigger]) => {
      const subject = `${name}-${f.id()}`
      const { id, version } = await f.stored({ subject, expiresAt: now + 1_000 })
      const neighbour = await f.stored({ subject })
      equal(await f.other.touch(id, now + HOUR, version, f.context()), true, 'the answer of touch()')
      return { name, trigger, subject, id, neighbour }
    })
    await f.clock.advance(AFTER_GRACE)
    for (const { name, trigger, subject, id, neighbour } of sessions) {
      await trigger(f, subject, neighbour)
      const when = `two minutes after its first expiry, and after ${name}()`
      if (f.store.scanBySubject) {
        const listed = await idsOf(f, f.store, subject)
        equal(listed.includes(id), true, `whether scanBySubject() gives a session ${when}`)
      }
      await f.store.removeBySubject?.(subject, f.context())
      equal(await f.read(id), null, `what is read after removeBySubject() of a session ${when}`)
    }
  },
}

type Order = (f: StoreFixture, subject: string, short: number) => Promise<{ id: string }>

/** How a subject gets a long session, which is returned, and a short one. */
const ORDERS: Record<string, Order> = {
  async 'the short one after it'(f, subject, expiresAt) {
    const long = await f.stored({ subject })
    await f.store.insert(f.id(), f.record({ subject, expiresAt }), f.context())
    return long
  },
  async 'the short one before it'(f, subject, expiresAt) {
    await f.store.insert(f.id(), f.record({ subject, expiresAt }), f.context())
    return await f.stored({ subject })
  },
  async 'another made shorter by replace()'(f, subject, expiresAt) {
    const [long, other] = [await f.stored({ subject }), await f.stored({ subject })]
    await f.store.replace(other.id, f.record({ subject, expiresAt }), other.version, f.context())
    return long
  },
  async 'another made shorter by touch()'(f, subject, expiresAt) {
    const [long, other] = [await f.stored({ subject }), await f.stored({ subject })]
    await f.store.touch(other.id, expiresAt, other.version, f.context())
    return long
  },
  async 'a short one that became this subject’s'(f, subject, expiresAt) {
    const [long, other] = [await f.stored({ subject }), await f.stored()]
    await f.other.replace(other.id, f.record({ subject, expiresAt }), other.version, f.context())
    return long
  },
}

const mixed: StoreCase = {
  id: 'store/everywhere-after-short',
  title:
    'when a short session of a subject is over, the long one is still listed and ended, in real time [A24]',
  rule: 'What the store keeps for a subject lives as long as the longest of its sessions.',
  source: 'docs/design.md#store-subject, docs/requirements.md#a24; docs/conformance-space.md, time',
  why: 'A visit as a guest would take the index along: "log out everywhere" would miss the phone that is signed in for weeks.',
  skip: without('removeBySubject'),
  async run(f) {
    const life = Math.ceil(Math.min(600, 300 + 10 * (await f.pace())))
    const subjects = await eachOf(Object.entries(ORDERS), async ([order, make]) => {
      const subject = `user-${f.id()}`
      const { id } = await make(f, subject, f.clock.now() + life)
      return { order, subject, id }
    })
    // The clock of a backend moves by `advance` alone; others expire what they keep in real time, whatever `now` is.
    if (!f.clock.ofBackend) await pause(life + 250)
    await f.clock.advance(life + 250)
    for (const { order, subject, id } of subjects) {
      if (f.store.scanBySubject) {
        const listed = await idsOf(f, f.store, subject)
        equal(listed, [id], `the ids that scanBySubject() gave of a long session and a short one (${order})`)
      }
      equal(
        await f.other.removeBySubject?.(subject, f.context()),
        1,
        `the answer of removeBySubject() (${order})`,
      )
      equal(await f.read(id), null, `what is read of the long session (${order})`)
    }
  },
}

const outlived: StoreCase = {
  id: 'store/life-of-index',
  title: 'the backend keeps the index of a subject as long as the longest session of that subject [A24]',
  rule: 'What the store keeps for a subject lives as long as the longest of its sessions.',
  source: 'docs/design.md#store-subject, docs/requirements.md#a24; docs/conformance-space.md, time',
  why: 'The index would go after the first session: "log out everywhere" would miss the phone that is signed in for weeks.',
  skip: f => without('removeBySubject')(f) ?? withoutMeans('indexExpiry')(f),
  async run(f) {
    const now = f.clock.now()
    const dropsAfter = async (subject: string, expiresAt: number, how: string) => {
      const drops = await f.expiryOfSubject?.(subject)
      ok(
        drops === undefined || drops >= expiresAt,
        `the backend to keep the index as long as the longest session of the subject (${how})`,
        `it drops it ${Math.round((expiresAt - (drops ?? 0)) / 1_000)} s before`,
      )
    }
    for (const [order, make] of Object.entries(ORDERS)) {
      const subject = `user-${f.id()}`
      await make(f, subject, now + 1_000)
      await dropsAfter(subject, now + HOUR, order)
    }
    const subject = `user-${f.id()}`
    const { id, version } = await f.stored({ subject, expiresAt: now + HOUR })
    equal(await f.store.touch(id, now + 3 * HOUR, version, f.context()), true, 'the answer of touch()')
    await dropsAfter(subject, now + 3 * HOUR, 'extended by touch()')
    const { version: touched } = await f.readLive(id, 'the session that was extended')
    const longer = f.record({ subject, expiresAt: now + 9 * HOUR })
    equal(await f.other.replace(id, longer, touched, f.context()), 'ok', 'the answer of replace()')
    await dropsAfter(subject, now + 9 * HOUR, 'extended by replace()')
  },
}

/** Takes longer to write than the entry of an index does, so that a list falls between the two. */
const LONG_PAYLOAD = 380_000

const amidScans: StoreCase = {
  id: 'store/everywhere-amid-scans',
  title:
    'a login while somebody lists the sessions of that subject is in the next list, and ends with the others [A24]',
  rule: 'A list changes nothing: an entry that leads to no record yet may be that of a login under way.',
  source: 'docs/design.md#store-subject, docs/requirements.md#a24; docs/conformance-space.md, overlap',
  why: 'A login while the page of devices is shown would live in no index: "log out everywhere" would leave it signed in.',
  skip: without('scanBySubject', 'removeBySubject'),
  async run(f) {
    const wanted = f.quick ? 12 : 80
    const count = Math.max(6, Math.min(wanted, Math.floor(2_000 / Math.max(0.1, await f.pace()))))
    let subject = `user-${f.id()}`
    let over = false
    const list = async (store: Store) => {
      while (!over) {
        await idsOf(f, store, subject)
        await f.jitter()
        await turn()
      }
    }
    const login = async (n: number) => {
      const id = f.id()
      const payload = 'x'.repeat(n % 4 === 3 ? 20 : Math.min(f.maxBytes, LONG_PAYLOAD))
      const record = f.record({ subject, payload })
      if (n % 2) {
        const { version } = await f.stored({}, id)
        equal(await f.store.replace(id, record, version, f.context()), 'ok', 'the answer of replace()')
      } else equal(await f.store.insert(id, record, f.context()), true, 'the answer of insert()')
      // What a list has begun may still be under way.
      await turn()
      await idsOf(f, f.other, subject)
      const listed = await idsOf(f, f.store, subject)
      equal(listed, [id], 'what scanBySubject() gave of a session that began while others were listing')
      equal(await f.store.removeBySubject?.(subject, f.context()), 1, 'the answer of removeBySubject()')
      subject = `user-${f.id()}`
    }
    const logins = async () => {
      try {
        for (let n = 0; n < count; n++) await login(n)
      } finally {
        over = true
      }
    }
    // One list at a time: more of them slow each other down.
    await Promise.all([logins(), list(f.other)])
  },
}

/** What DynamoDB reads in one batch, and the buffer of many a client. */
const BATCH_BYTES = 16 * 1_048_576
const QUICK_BYTES = 2 * 1_048_576

const heavy: StoreCase = {
  id: 'store/everywhere-megabytes',
  title: 'the sessions of one subject are listed and ended when they are more than 16 MB together [A24]',
  rule: 'scanBySubject gives every live record of the subject, whatever the backend gives in one answer.',
  source:
    'docs/design.md#store-subject, docs/requirements.md#a24; UnprocessedKeys of DynamoDB; docs/conformance-space.md, numbers',
  why: 'Big sessions of one user would not be listed, and "log out everywhere" would leave them signed in.',
  skip: without('scanBySubject', 'removeBySubject'),
  async run(f) {
    const size = Math.min(f.maxBytes, 390_000)
    // A store for small payloads has few bytes in a thousand of them.
    const count = Math.min(1_000, Math.ceil(((f.quick ? QUICK_BYTES : BATCH_BYTES) + 500_000) / size))
    const subject = `user-${f.id()}`
    const payload = 'x'.repeat(size)
    const ids = await eachOf(
      Array.from({ length: count }),
      async () => (await inserted(f, { payload, subject })).id,
      4,
    )
    const listed = new Set(await idsOf(f, f.store, subject))
    const missing = ids.filter(id => !listed.has(id)).length
    equal(missing, 0, `the number of ${count} sessions of ${size} bytes that scanBySubject() missed`)
    const removed = await f.store.removeBySubject?.(subject, f.context())
    ok(
      removed === count,
      `removeBySubject() to remove ${count} sessions of ${size} bytes`,
      `it removed ${removed}`,
    )
  },
}

async function inserted(f: StoreFixture, part: Partial<SessionRecord>): Promise<{ id: string }> {
  const id = f.id()
  equal(await f.store.insert(id, f.record(part), f.context()), true, 'the answer of insert()')
  return { id }
}

/** What must be in the index of subjects when a call was cut short, when time passes, and when others look. */
export const keptIndexCases: readonly StoreCase[] = [
  ...interrupted,
  renewed,
  mixed,
  outlived,
  amidScans,
  heavy,
]
