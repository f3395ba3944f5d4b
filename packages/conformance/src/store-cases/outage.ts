import type { StoreContext } from '@sess/core'
import { equal, fail, ok, oneOf, outcome, show } from '../check.ts'
import { withoutMeans } from '../means.ts'
import type { StoreCase, StoreFixture } from '../store-fixture.ts'
import { eachOf } from './everywhere.ts'

const unbreakable = withoutMeans('outage')

/** Calls with a deadline: the engine would not wait longer either. */
async function call<T>(f: StoreFixture, what: string, run: (context: StoreContext) => T | PromiseLike<T>) {
  const abort = new AbortController()
  const soon = setTimeout(() => abort.abort(new Error('nobody waits any more')), f.callTimeout / 2)
  let deadline: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    const failure = () => outcomeOfLate(what, f.callTimeout)
    deadline = setTimeout(() => reject(failure()), f.callTimeout)
  })
  try {
    return await outcome(() =>
      Promise.race([outcome(() => run({ ...f.context(), signal: abort.signal })), late]),
    )
  } finally {
    clearTimeout(soon)
    clearTimeout(deadline)
  }
}

function outcomeOfLate(what: string, ms: number): Error {
  return new Error(
    `${what} was not settled within ${ms} ms: let the client give up sooner, or raise --call-timeout (callTimeout)`,
  )
}

async function mustFail(
  f: StoreFixture,
  what: string,
  run: (context: StoreContext) => unknown,
): Promise<void> {
  const settled = await call(f, what, run)
  if (settled.error !== undefined) fail(`${what} to reject while the backend is down`, show(settled.error))
  const { value } = settled
  if (value && value.error === undefined) {
    fail(`${what} to reject while the backend is down`, `it answered ${show(value.value)}`)
  }
}

/**
 * Milliseconds that a store may take to work again: what a call may take, and 5 s at the least. Clients wait longer from attempt
 * to attempt to connect (ioredis up to 2 s), whatever a call may take.
 */
export const recoveryTime = ({ callTimeout }: StoreFixture): number => Math.max(callTimeout, 5_000)

/** The backend is back, so the store must be as well, by itself and within a second or so (F6). */
async function recovered(f: StoreFixture, id: string): Promise<void> {
  const until = Date.now() + recoveryTime(f)
  for (;;) {
    const settled = await call(f, 'read()', context => f.store.read(id, context))
    if (settled.value && settled.value.error === undefined) return
    if (Date.now() > until) {
      fail(
        'the store to work again once its backend does, by connecting anew',
        `read() still failed after ${recoveryTime(f)} ms (--call-timeout)`,
      )
    }
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

async function whileDown(f: StoreFixture, id: string, run: () => Promise<void>): Promise<void> {
  await f.breakBackend?.()
  try {
    await run()
  } finally {
    await f.healBackend?.()
  }
  await recovered(f, id)
}

export const outageCases: readonly StoreCase[] = [
  {
    id: 'store/down-read',
    title: 'read rejects while the backend is down, and never says null [F1]',
    rule: 'A backend that cannot be reached throws or rejects: an outage must never look like "no session".',
    source: 'docs/design.md#store-contract, docs/requirements.md#f1, docs/requirements.md#i5',
    why: 'An outage of a minute would log every visitor out for good.',
    skip: unbreakable,
    async run(f) {
      const { id, record } = await f.stored()
      await whileDown(f, id, async () => {
        await mustFail(f, 'read() of a stored id', context => f.store.read(id, context))
        await mustFail(f, 'read() of an unknown id', context => f.store.read(f.id(), context))
      })
      equal((await f.readLive(id, 'the record after the outage')).payload, record.payload, 'its payload')
    },
  },
  {
    id: 'store/down-insert',
    title: 'insert rejects while the backend is down [F2]',
    rule: 'A backend that cannot be reached throws or rejects.',
    source: 'docs/design.md#store-insert, docs/requirements.md#f2, docs/requirements.md#i2',
    why: 'The visitor would get a cookie for a session that was never stored.',
    skip: unbreakable,
    async run(f) {
      const { id } = await f.stored()
      await whileDown(f, id, async () => {
        await mustFail(f, 'insert()', context => f.store.insert(f.id(), f.record(), context))
      })
    },
  },
  {
    id: 'store/down-replace',
    title: 'replace rejects while the backend is down [F2]',
    rule: 'A backend that cannot be reached throws or rejects; gone and stale are answers of a backend that works.',
    source: 'docs/design.md#store-replace, docs/requirements.md#f2',
    why: 'A failed save would be shown as a success, or as a logout.',
    skip: unbreakable,
    async run(f) {
      const { id, version } = await f.stored()
      await whileDown(f, id, async () => {
        await mustFail(f, 'replace()', context => f.store.replace(id, f.record(), version, context))
      })
      const found = await f.readLive(id, 'the record after the outage')
      equal(
        await f.store.replace(id, f.record(), found.version, f.context()),
        'ok',
        'replace() after the outage',
      )
    },
  },
  {
    id: 'store/down-touch',
    title: 'touch rejects while the backend is down',
    rule: 'A backend that cannot be reached throws or rejects; false means gone or changed.',
    source: 'docs/design.md#store-touch',
    why: 'Nobody would learn that sessions are no longer extended.',
    skip: unbreakable,
    async run(f) {
      const { id, record, version } = await f.stored()
      await whileDown(f, id, async () => {
        await mustFail(f, 'touch()', context => f.store.touch(id, record.expiresAt + 1, version, context))
      })
    },
  },
  {
    id: 'store/down-remove',
    title: 'remove rejects while the backend is down [A23]',
    rule: 'A removal that failed is not a success.',
    source: 'docs/design.md#store-remove, docs/requirements.md#a23, docs/requirements.md#f2',
    why: 'The visitor believes to be logged out, and the session lives on.',
    skip: unbreakable,
    async run(f) {
      const { id, version } = await f.stored()
      await whileDown(f, id, async () => {
        await mustFail(f, 'remove()', context => f.store.remove(id, undefined, context))
        await mustFail(f, 'remove() at a version', context => f.store.remove(id, version, context))
      })
    },
  },
  {
    id: 'store/down-optional',
    title: 'the optional methods reject while the backend is down',
    rule: 'A backend that cannot be reached throws or rejects.',
    source: 'docs/design.md#store-contract',
    why: '"Log out everywhere" would report success and end nothing.',
    skip: f => {
      const { store } = f
      const none = !store.clearExpired && !store.scan && !store.removeBySubject && !store.scanBySubject
      return unbreakable(f) ?? (none ? 'the store offers none of the optional methods' : undefined)
    },
    async run(f) {
      const { store } = f
      const { id } = await f.stored({ subject: 'ann' })
      const drain = async (entries: AsyncIterable<unknown> | undefined) => {
        let count = 0
        for await (const _ of entries ?? []) count++
        return `${count} answers`
      }
      await whileDown(f, id, async () => {
        if (store.removeBySubject) {
          await mustFail(f, 'removeBySubject()', context => store.removeBySubject?.('ann', context))
        }
        if (store.scanBySubject) {
          await mustFail(f, 'scanBySubject()', context => drain(store.scanBySubject?.('ann', context)))
        }
        if (store.scan) await mustFail(f, 'scan()', context => drain(store.scan?.(context)))
        if (store.clearExpired)
          await mustFail(f, 'clearExpired()', context => drain(store.clearExpired?.(context)))
      })
    },
  },
  {
    id: 'store/down-at-first',
    title: 'a store whose very first call met an outage works once the backend does',
    rule: 'An outage throws while it lasts, and is over when it is over.',
    source:
      'docs/design.md#store-contract, docs/requirements.md#f6; docs/conformance-space.md, order of calls',
    why: 'A server that starts before its database would fail every request until somebody starts it anew.',
    skip: f => unbreakable(f) ?? withoutMeans('second')(f),
    async run(f) {
      const id = f.id()
      // The backend is there, with its tables or folders, and only the store object that is tested is new.
      await f.other.insert(f.id(), f.record(), f.context())
      await whileDown(f, id, async () => {
        await mustFail(f, 'read()', context => f.store.read(id, context))
        await mustFail(f, 'insert()', context => f.store.insert(f.id(), f.record(), context))
      })
      equal(
        await f.store.insert(id, f.record(), f.context()),
        true,
        'the answer of insert() after the outage',
      )
      await f.readLive(id, 'the record that was inserted after the outage')
    },
  },
  {
    id: 'store/down-amid-scan',
    title: 'a listing whose backend goes down meanwhile rejects, or has everything already',
    rule: 'A backend that cannot be reached throws or rejects, in the middle of a call as well.',
    source: 'docs/design.md#store-contract, docs/design.md#store-scan; docs/conformance-space.md, overlap',
    why: 'Who looks for the sessions of a stolen account would see some of them, and believe that these are all.',
    skip: f =>
      unbreakable(f) ??
      (f.store.scan || f.store.scanBySubject
        ? undefined
        : 'the store offers no scan() and no scanBySubject()'),
    async run(f) {
      const subject = `user-${f.id()}`
      const ids = Array.from({ length: f.quick ? 60 : Math.min(3 * (f.pageSize ?? 100) - 50, 1_100) }, () =>
        f.id(),
      )
      await eachOf(ids, async id => await f.store.insert(id, f.record({ subject }), f.context()))
      const lists = {
        'scan()': () => f.store.scan?.(f.context()),
        'scanBySubject()': () => f.store.scanBySubject?.(subject, f.context()),
      }
      for (const [what, list] of Object.entries(lists)) {
        const entries = list()
        if (!entries) continue
        const waiting = new Set(ids)
        let isDown = false
        const listed = await outcome(async () => {
          try {
            for await (const { id } of entries) {
              waiting.delete(id)
              if (!isDown) await f.breakBackend?.()
              isDown = true
            }
          } finally {
            await f.healBackend?.()
          }
        })
        if (listed.error === undefined)
          equal(waiting.size, 0, `the number of records missing from a ${what} that did not reject`)
        await recovered(f, ids[0] ?? '')
      }
    },
  },
  {
    id: 'store/signal-aborted',
    title: 'a call whose signal is aborted returns the truth or rejects [F3]',
    rule: 'signal: aborted when nobody waits for the answer any more. It never makes a record look absent.',
    source: 'docs/design.md#store-context, docs/requirements.md#f3',
    why: 'A request given up by its visitor would look like a logout.',
    async run(f) {
      const { id, record, version } = await f.stored()
      const aborted = () => ({ ...f.context(), signal: AbortSignal.abort(new Error('nobody waits')) })
      const read = await outcome(() => f.store.read(id, aborted()))
      if (read.error === undefined) {
        ok(read.value !== null, 'an aborted read() to reject or to give the record', 'it answered null')
      }
      const fresh = f.id()
      const inserted = await outcome(() => f.store.insert(fresh, f.record(), aborted()))
      if (inserted.error === undefined) {
        equal(inserted.value, true, 'the answer of an aborted insert() that did not reject')
        await f.readLive(fresh, 'a record whose aborted insert() answered true')
      }
      const changed = f.record()
      const replaced = await outcome(() => f.store.replace(id, changed, version, aborted()))
      const found = await f.readLive(id, 'the record after an aborted replace()')
      if (replaced.error === undefined) {
        equal(replaced.value, 'ok', 'the answer of an aborted replace() that did not reject')
        equal(found.payload, changed.payload, 'the payload after it')
      } else {
        oneOf(found.payload, [record.payload, changed.payload], 'the payload after an aborted replace()')
      }
      const removed = await outcome(() => f.store.remove(id, undefined, aborted()))
      if (removed.error === undefined) {
        equal(removed.value, 'ok', 'the answer of an aborted remove() that did not reject')
        equal(await f.read(id), null, 'what is read after it')
      }
    },
  },
  {
    id: 'store/signal-in-flight',
    title: 'a signal aborted amid calls leaves whole records and a working store [F3]',
    rule: 'Each call is atomic on its own, an aborted one too.',
    source: 'docs/design.md#store-context, docs/requirements.md#f3',
    why: 'A visitor who closes the tab would take a database connection, or the session, along.',
    async run(f) {
      const { id, record, version } = await f.stored({ subject: 'ann' })
      const changed = f.record({ subject: 'ann' })
      const abort = new AbortController()
      const context = { ...f.context(), signal: abort.signal }
      const calls = [
        outcome(() => f.store.replace(id, changed, version, context)),
        ...Array.from({ length: 15 }, () => outcome(() => f.store.read(id, context))),
      ]
      abort.abort(new Error('nobody waits'))
      const [replaced, ...reads] = await Promise.all(calls)
      for (const read of reads) {
        ok(read.error !== undefined || read.value !== null, 'no read() to answer null', 'one did')
      }
      const found = await f.readLive(id, 'the record')
      const expected = replaced?.value === 'ok' ? [changed.payload] : [record.payload, changed.payload]
      oneOf(found.payload, expected, 'the payload after it')
      equal(
        await f.store.replace(id, f.record(), found.version, f.context()),
        'ok',
        'the answer of replace() after it',
      )
    },
  },
]
