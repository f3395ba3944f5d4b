import type { SessionRecord } from '@sess/core'
import { DoesNotApply } from '../case.ts'
import { equal, fail, ok, outcome, show } from '../check.ts'
import { withoutMeans } from '../means.ts'
import { type FailKind, facts, type StoreCase, type StoreFixture, without } from '../store-fixture.ts'
import { inTime } from './neighbours.ts'

/** A write, what it returns when it is done, and what is read then. */
interface Write {
  name: string
  done: unknown
  make(f: StoreFixture, id: string, version: string, record: { payload: string; expiresAt: number }): unknown
  after: 'written' | 'extended' | 'nothing'
}

export const WRITES: readonly Write[] = [
  {
    name: 'insert',
    done: true,
    make: (f, id, _, record) => f.store.insert(id, record, f.context()),
    after: 'written',
  },
  {
    name: 'replace',
    done: 'ok',
    make: (f, id, version, record) => f.store.replace(id, record, version, f.context()),
    after: 'written',
  },
  {
    name: 'touch',
    done: true,
    make: (f, id, version, record) => f.store.touch(id, record.expiresAt, version, f.context()),
    after: 'extended',
  },
  {
    name: 'remove',
    done: 'ok',
    make: (f, id, version) => f.store.remove(id, version, f.context()),
    after: 'nothing',
  },
]

/** A write whose answer was a success is done; after an error nobody knows, but the record is whole. */
export async function attempt(
  f: StoreFixture,
  write: Write,
  when: string,
  disturb: () => unknown,
  mend: () => unknown,
  part: Partial<SessionRecord> = {},
) {
  const fresh = write.name === 'insert'
  const id = f.id()
  const before = fresh ? undefined : await f.stored(part, id)
  const record = f.record({ ...part, expiresAt: f.clock.now() + 7_200_000 })
  await disturb()
  let settled: Awaited<ReturnType<typeof outcome>>
  try {
    const call = () => write.make(f, id, before?.version ?? '', record)
    settled = await inTime(f, `${write.name}() ${when}`, () => outcome(call))
  } finally {
    await mend()
  }
  if (settled.error === undefined && settled.value !== write.done) {
    fail(
      `${write.name}() ${when} to reject, or to answer ${show(write.done)} if it is done`,
      `it answered ${show(settled.value)}, which is what a backend in health says`,
    )
  }
  const old = before ? before.record : null
  const changed = {
    written: record,
    extended: before ? { ...before.record, expiresAt: record.expiresAt } : null,
    nothing: null,
  }[write.after]
  const found = facts(await inTime(f, 'read() after that', () => f.other.read(id, f.context())))
  const possible = settled.error === undefined ? [changed] : [old, changed]
  ok(
    possible.some(each => JSON.stringify(facts(each)) === JSON.stringify(found)),
    `what is read after ${write.name}() ${when} to be ${possible.map(show).join(' or ')}`,
    `it was ${show(found)}`,
  )
}

const KINDS: readonly [FailKind, string][] = [
  ['loading', 'that is still starting'],
  ['read-only', 'that takes no writes'],
  ['out-of-memory', 'that has no room'],
  ['too-many-connections', 'that has too many clients'],
]

const failCases: readonly StoreCase[] = KINDS.map(([kind, words]) => ({
  id: `store/fails-${kind}`,
  title: `the errors of a backend ${words} reach the caller [F2]`,
  rule: 'Whatever error the backend answers, the call rejects: it is no answer of the contract.',
  source:
    'docs/design.md#store-contract, docs/requirements.md#f1, docs/requirements.md#f2; docs/conformance-space.md, what needs help of the factory',
  why: 'A backend in trouble would look like a logout, or like a save that worked.',
  skip: withoutMeans('errors'),
  async run(f: StoreFixture) {
    const { id, record } = await f.stored({ subject: 'ann' })
    if (!(await f.fail?.(kind))) throw new DoesNotApply(`the backend has no error of the kind "${kind}"`)
    try {
      const call = () => f.store.read(id, f.context())
      const read = await inTime(f, `read() of a backend ${words}`, () => outcome(call))
      if (read.error === undefined) equal(facts(read.value), record, `what is read of a backend ${words}`)
    } finally {
      await f.healBackend?.()
    }
    for (const write of WRITES) {
      await attempt(
        f,
        write,
        `to a backend ${words}`,
        () => f.fail?.(kind),
        () => f.healBackend?.(),
      )
    }
    if (f.store.removeBySubject) {
      const subject = `user-${f.id()}`
      const theirs = await f.stored({ subject })
      await f.fail?.(kind)
      let removed: Awaited<ReturnType<typeof outcome>>
      try {
        const call = () => f.store.removeBySubject?.(subject, f.context())
        removed = await inTime(f, `removeBySubject() of a backend ${words}`, () => outcome(call))
      } finally {
        await f.healBackend?.()
      }
      if (removed.error === undefined) {
        equal(removed.value, 1, `removeBySubject() of a backend ${words} that did not reject`)
        equal(await f.read(theirs.id), null, 'what is read of that session')
      }
    }
    const fresh = await f.stored()
    equal(await f.store.remove(fresh.id, undefined, f.context()), 'ok', 'remove() when all is well again')
  },
}))

const lostCases: readonly StoreCase[] = WRITES.map(write => ({
  id: `store/lost-${write.name}`,
  title: `${write.name}() that is done, and whose reply is lost, is an error or a success, never stale or gone`,
  rule: 'An unknown outcome is an error; a call that was sent again must not take its own first time for somebody else’s.',
  source:
    'docs/design.md#store-contract, docs/requirements.md#f2; docs/conformance-space.md, what needs help of the factory',
  why: 'The visitor’s own save would be told as a conflict or as a logout, because the network hiccupped.',
  skip: withoutMeans('lostReply'),
  async run(f: StoreFixture) {
    for (let round = 0; round < 3; round++) {
      await attempt(
        f,
        write,
        'whose answer was lost',
        () => f.loseAnswer?.(),
        () => undefined,
      )
    }
  },
}))

export const faultCases: readonly StoreCase[] = [
  ...failCases,
  ...lostCases,
  {
    id: 'store/lost-remove-by-subject',
    title: 'a removeBySubject that loses one reply rejects, or has removed all [A24]',
    rule: 'A removal that failed is not a success.',
    source: 'docs/design.md#store-subject, docs/requirements.md#a24, docs/requirements.md#f2',
    why: '"Log out everywhere" would report success and leave a phone signed in.',
    skip: f => without('removeBySubject')(f) ?? withoutMeans('lostReply')(f),
    async run(f) {
      const subject = `user-${f.id()}`
      const theirs = []
      for (let n = 0; n < 5; n++) theirs.push(await f.stored({ subject }))
      await f.loseAnswer?.()
      const { error } = await outcome(() => f.store.removeBySubject?.(subject, f.context()))
      if (error !== undefined) await f.store.removeBySubject?.(subject, f.context())
      for (const { id } of theirs) equal(await f.read(id), null, 'what is read of one of its sessions')
    },
  },
]
