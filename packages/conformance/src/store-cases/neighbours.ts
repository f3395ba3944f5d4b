import type { Store } from '@sess/core'
import { begun, CaseFailure, equal, fail, ok, outcome, show } from '../check.ts'
import { withoutMeans } from '../means.ts'
import { facts, type StoreCase, type StoreFixture, without } from '../store-fixture.ts'
import { eachOf } from './everywhere.ts'
import { turn } from './meanwhile.ts'
import { recoveryTime } from './outage.ts'

const drain = async (entries: AsyncIterable<unknown> | undefined) => {
  for await (const _ of entries ?? []);
}

/** The answer, or the failure that there was none within the time a call has. */
export async function inTime<T>(
  f: Pick<StoreFixture, 'callTimeout'>,
  what: string,
  call: () => T | PromiseLike<T>,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new CaseFailure(`${what} to be answered`, `it was not within ${f.callTimeout} ms (--call-timeout)`),
        ),
      f.callTimeout,
    )
  })
  try {
    return await Promise.race([(async () => await call())(), late])
  } finally {
    clearTimeout(timer)
  }
}

/** Both store objects work: every method of the contract returns what it should. */
async function works(f: StoreFixture, when: string): Promise<void> {
  for (const store of [f.store, f.other]) {
    const id = f.id()
    const call = <T>(name: string, make: () => T | PromiseLike<T>) => inTime(f, `${name} ${when}`, make)
    equal(await call('insert()', () => store.insert(id, f.record(), f.context())), true, `insert() ${when}`)
    const found = await call('read()', () => store.read(id, f.context()))
    if (!found) fail(`read() ${when} to find a record`, 'it answered null')
    const { version } = found
    equal(
      await call('touch()', () => store.touch(id, found.expiresAt, version, f.context())),
      true,
      `touch() ${when}`,
    )
    const touched = await call('read()', () => store.read(id, f.context()))
    const at = touched?.version ?? ''
    equal(
      await call('replace()', () => store.replace(id, f.record(), at, f.context())),
      'ok',
      `replace() ${when}`,
    )
    equal(await call('remove()', () => store.remove(id, undefined, f.context())), 'ok', `remove() ${when}`)
  }
}

type AbortedCall = (f: StoreFixture, id: string, version: string, signal: AbortSignal) => unknown

const ABORTED: Record<string, [AbortedCall, (keyof Store)?]> = {
  read: [(f, id, _, signal) => f.store.read(id, { ...f.context(), signal })],
  insert: [(f, _, __, signal) => f.store.insert(f.id(), f.record(), { ...f.context(), signal })],
  replace: [(f, id, version, signal) => f.store.replace(id, f.record(), version, { ...f.context(), signal })],
  touch: [
    (f, id, version, signal) => f.store.touch(id, f.clock.now() + 9e6, version, { ...f.context(), signal }),
  ],
  remove: [(f, id, version, signal) => f.store.remove(id, version, { ...f.context(), signal })],
  'remove-by-subject': [
    (f, id, _, signal) => f.store.removeBySubject?.(`user-${id}`, { ...f.context(), signal }),
    'removeBySubject',
  ],
  'scan-by-subject': [
    (f, id, _, signal) => drain(f.store.scanBySubject?.(`user-${id}`, { ...f.context(), signal })),
    'scanBySubject',
  ],
  scan: [(f, _, __, signal) => drain(f.store.scan?.({ ...f.context(), signal })), 'scan'],
}

const abortCases: readonly StoreCase[] = Object.entries(ABORTED).map(([name, [call, needs]]) => ({
  id: `store/abort-${name}`,
  family: 'abort',
  title: `${name} that is given up again and again harms no call beside it and none after it [F3]`,
  rule: 'signal: aborted when nobody waits for the answer any more. It is about that call alone.',
  source:
    'docs/design.md#store-context, docs/requirements.md#f3; docs/conformance-space.md, calls that are given up',
  why: 'Visitors who leave early would take connections or locks along, until the site stands still.',
  ...(needs && { skip: without(needs) }),
  async run(f: StoreFixture) {
    const rounds = Array.from({ length: f.quick ? 6 : 48 }, (_, n) => n)
    const neighbour = await f.stored()
    await eachOf(
      rounds,
      async round => {
        const { id, version } = await f.stored(round % 2 ? { subject: `user-${f.id()}` } : {})
        const abort = new AbortController()
        if (round % 4 === 0) abort.abort(new Error('nobody waits'))
        const given = outcome(async () => await call(f, id, version, abort.signal))
        const beside = [f.store, f.other, f.store].map(store =>
          outcome(() =>
            inTime(f, 'read() beside a call that is given up', () => store.read(neighbour.id, f.context())),
          ),
        )
        // Of the same record, for a store that has one read for several callers.
        const same = [f.store, f.other].map(store =>
          outcome(() => inTime(f, 'read() of the same record', () => store.read(id, f.context()))),
        )
        for (let tick = 0; tick < round % 6; tick++) await null
        if (round % 4 === 3) await f.jitter()
        abort.abort(new Error('nobody waits'))
        await inTime(f, `${name} that was given up`, () => given)
        for (const { value, error } of await Promise.all(beside)) {
          if (error !== undefined)
            fail('a read() beside a call that is given up to succeed', `it failed: ${show(error)}`)
          equal(facts(value ?? null), facts(neighbour.record), 'what is read beside a call that is given up')
        }
        for (const { error } of await Promise.all(same)) {
          if (error !== undefined)
            fail(
              'a read() of the same record beside a call that is given up to succeed',
              `it failed: ${show(error)}`,
            )
        }
        // Nor is the record itself left locked, or half written.
        const found = await inTime(f, 'read() of the record of a call that was given up', () =>
          f.other.read(id, f.context()),
        )
        if (!found) return
        const answer = await inTime(f, 'replace() after a call that was given up', () =>
          f.store.replace(id, f.record(), found.version, f.context()),
        )
        ok(['ok', 'stale', 'gone'].includes(answer), 'replace() after that to answer', show(answer))
      },
      12,
    )
    await works(f, 'after many calls that were given up')
  },
}))

const freshCases: readonly StoreCase[] = (
  [
    ['insert', 'inserted'],
    ['replace', 'replaced'],
    ['touch', 'touched'],
    ['remove', 'removed'],
    ['remove-by-subject', 'removed'],
  ] as const
).map(([name, done]) => ({
  id: `store/fresh-after-${name}`,
  family: 'fresh-after',
  title: `a read that begins after ${name} has answered finds what was ${done}, though older reads are under way`,
  rule: 'Once a write is answered, every read that begins then finds it.',
  source:
    'docs/design.md#store-read, docs/requirements.md#i2, docs/requirements.md#i6; docs/conformance-space.md, order of calls',
  why: 'The page behind a redirect would show the state from before: the cart without the item, the login without the user.',
  ...(name === 'remove-by-subject' && { skip: without('removeBySubject') }),
  async run(f: StoreFixture) {
    for (let round = 0; round < (f.quick ? 4 : 16); round++) {
      const id = f.id()
      const subject = `user-${id}`
      const before = name === 'insert' ? undefined : await f.stored({ subject }, id)
      const record = f.record({ subject, expiresAt: f.clock.now() + 5_000_000 + round })
      const [writer, reader] = round % 2 ? [f.store, f.other] : [f.other, f.store]
      const older: Promise<unknown>[] = []
      const look = () =>
        void older.push(
          ...[f.store, f.other, f.store].map(store => begun(async () => await store.read(id, f.context()))),
        )
      look()
      const version = before?.version ?? ''
      const writing = begun(async () => {
        if (name === 'insert')
          equal(await writer.insert(id, record, f.context()), true, 'the answer of insert()')
        else if (name === 'replace')
          equal(await writer.replace(id, record, version, f.context()), 'ok', 'the answer of replace()')
        else if (name === 'touch')
          equal(await writer.touch(id, record.expiresAt, version, f.context()), true, 'the answer of touch()')
        else if (name === 'remove')
          equal(await writer.remove(id, undefined, f.context()), 'ok', 'the answer of remove()')
        else equal(await writer.removeBySubject?.(subject, f.context()), 1, 'the answer of removeBySubject()')
      })
      for (let tick = 0; tick < round % 5; tick++) {
        await null
        look()
      }
      // And until it is done, so that some are under way at that moment, whatever a call takes.
      let done = false
      const doneWriting = writing.finally(() => {
        done = true
      })
      const pace = round % 2 ? await f.pace() : 0
      while (round % 4 > 1 && !done) {
        await (pace < 1 ? turn() : new Promise(resolve => setTimeout(resolve, pace / 3)))
        look()
      }
      await doneWriting
      const payload = name === 'touch' ? before?.record.payload : record.payload
      const expected = name.startsWith('remove') ? null : { payload, expiresAt: record.expiresAt, subject }
      const [mine, theirs] = await Promise.all([writer.read(id, f.context()), reader.read(id, f.context())])
      await Promise.all(older)
      equal(facts(mine), expected, `what the same store object reads after ${name}`)
      equal(facts(theirs), expected, `what another store object reads after ${name}`)
      equal(facts(await f.read(id)), expected, `what is read when the older reads are done too`)
    }
  },
}))

export const neighbourCases: readonly StoreCase[] = [
  ...abortCases,
  ...freshCases,
  {
    id: 'store/many-refusals',
    title: 'a store that has answered stale, gone, false and null hundreds of times works as before',
    rule: 'Such answers are answers, and hold nothing: no connection, no lock, no transaction.',
    source: 'docs/design.md#store-contract; docs/conformance-space.md, many of a kind',
    why: 'A connection that is lost with each conflict takes the site down after an hour of visitors.',
    async run(f) {
      const { id, version } = await f.stored()
      equal(await f.store.replace(id, f.record(), version, f.context()), 'ok', 'the answer of replace()')
      const count = f.quick ? 15 : 240
      const context = f.context()
      const wrong: [string, unknown, () => unknown][] = [
        ['replace() at an old version', 'stale', () => f.store.replace(id, f.record(), version, context)],
        ['replace() of what is gone', 'gone', () => f.store.replace(f.id(), f.record(), version, context)],
        ['touch() at an old version', false, () => f.store.touch(id, f.clock.now() + 9e6, version, context)],
        ['remove() at an old version', 'stale', () => f.store.remove(id, version, context)],
        ['remove() of what is gone', 'gone', () => f.store.remove(f.id(), undefined, context)],
        ['insert() under a taken id', false, () => f.store.insert(id, f.record(), context)],
        ['read() of what is not there', null, () => f.store.read(f.id(), context)],
        ['read() of a malformed id', null, () => f.store.read('malformed', context)],
      ]
      for (const [what, expected, call] of wrong) {
        await eachOf(
          Array.from({ length: count }),
          async () => equal(await inTime(f, what, call), expected, `the answer of ${what}`),
          12,
        )
      }
      await works(f, 'after hundreds of refusals')
    },
  },
  {
    id: 'store/many-failures',
    title: 'a store whose calls have failed many times works again once its backend does',
    rule: 'An outage throws while it lasts, and is over when it is over.',
    source:
      'docs/design.md#store-contract, docs/requirements.md#f2; docs/conformance-space.md, many of a kind',
    why: 'An outage of a minute would last until somebody starts the site anew.',
    skip: withoutMeans('outage'),
    async run(f) {
      const { id, version } = await f.stored()
      await f.breakBackend?.()
      try {
        const context = f.context()
        const calls: (() => unknown)[] = [
          () => f.store.read(id, context),
          () => f.store.insert(f.id(), f.record(), context),
          () => f.store.replace(id, f.record(), version, context),
          () => f.store.touch(id, f.clock.now() + 9e6, version, context),
          () => f.store.remove(id, version, context),
        ]
        await Promise.all(
          Array.from({ length: f.quick ? 20 : 100 }, async (_, n) => {
            const call = calls[n % calls.length] as () => unknown
            const { value, error } = await outcome(() => inTime(f, 'a call during an outage', call))
            if (error === undefined)
              fail('every call during an outage to reject', `one answered ${show(value)}`)
          }),
        )
      } finally {
        await f.healBackend?.()
      }
      const patience = performance.now() + recoveryTime(f)
      for (;;) {
        const { error } = await outcome(() =>
          inTime(f, 'read() after the outage', () => f.store.read(id, f.context())),
        )
        if (error === undefined) break
        if (performance.now() > patience) {
          fail(
            `the store to work again within ${recoveryTime(f)} ms (--call-timeout) of the end of an outage`,
            `after a hundred failures read() still failed: ${show(error)}`,
          )
        }
        await new Promise(resolve => setTimeout(resolve, 20))
      }
      await works(f, 'after an outage with many failures')
    },
  },
]
