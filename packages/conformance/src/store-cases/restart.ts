import { equal, fail, outcome, show } from '../check.ts'
import { withoutMeans } from '../means.ts'
import type { StoreCase, StoreFixture } from '../store-fixture.ts'
import { inTime } from './neighbours.ts'
import { recoveryTime } from './outage.ts'

/** What the call returns once the store is connected again, which may take a moment. */
async function again<T>(f: StoreFixture, name: string, call: () => T | PromiseLike<T>): Promise<T> {
  const until = performance.now() + recoveryTime(f)
  for (;;) {
    const settled = await outcome(() => inTime(f, `${name}() after a restart`, call))
    if (settled.error === undefined) return settled.value as T
    if (performance.now() > until) {
      fail(
        `${name}() to work after the backend has started again`,
        `it still failed after ${recoveryTime(f)} ms (--call-timeout): ${show(settled.error)}`,
      )
    }
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

const all = async <T>(entries: AsyncIterable<T> | undefined): Promise<T[]> => {
  const found: T[] = []
  for await (const entry of entries ?? []) found.push(entry)
  return found
}

/** Calls every method once, and looks at the result of each. A write that failed may be done, so it is never repeated at one id. */
async function everyMethod(f: StoreFixture, call: typeof again): Promise<void> {
  for (const store of [f.store, f.other]) {
    const subject = `user-${f.id()}`
    let id = ''
    await call(f, 'insert', async () => {
      id = f.id()
      if (!(await store.insert(id, f.record({ subject }), f.context())))
        throw new Error('insert() returned false')
    })
    const found = () =>
      call(f, 'read', async () => {
        const record = await store.read(id, f.context())
        if (!record) fail('the record to be read after the backend has started again', 'read() returned null')
        return record
      })
    await call(f, 'touch', async () => {
      const { version } = await found()
      const later = f.clock.now() + 7_200_000
      if (!(await store.touch(id, later, version, f.context()))) throw new Error('touch() returned false')
    })
    await call(f, 'replace', async () => {
      const { version } = await found()
      const answer = await store.replace(id, f.record({ subject }), version, f.context())
      if (answer !== 'ok') throw new Error(`replace() returned ${show(answer)}`)
    })
    await call(f, 'scan', () => all(store.scan?.(f.context())))
    await call(f, 'count', () => store.count?.({ ...f.context(), limit: 5 }))
    await call(f, 'clearExpired', () => all(store.clearExpired?.(f.context())))
    if (store.scanBySubject) {
      const listed = await call(f, 'scanBySubject', () => all(store.scanBySubject?.(subject, f.context())))
      equal(listed.map(entry => entry.id).includes(id), true, 'whether scanBySubject() gives the session')
    }
    if (store.removeBySubject) {
      await call(f, 'removeBySubject', () => store.removeBySubject?.(subject, f.context()))
      equal(await f.read(id), null, 'what is read after removeBySubject()')
    }
    const last = await f.stored()
    await call(f, 'remove', () => store.remove(last.id, undefined, f.context()))
    equal(await f.read(last.id), null, 'what is read after remove()')
  }
}

/** A backend that has started again, and knows nothing but its data. */
export const restartCases: readonly StoreCase[] = [
  {
    id: 'store/restarted-backend',
    title:
      'every method works after the backend has started again, without its scripts and prepared statements [F6]',
    rule: 'What a store has loaded into the backend may be gone at any time. It is loaded again by itself.',
    source:
      'docs/design.md#store-contract, docs/requirements.md#f6; NOSCRIPT of Redis; docs/conformance-space.md, what needs help of the factory',
    why: 'After a failover of the database every visitor would meet errors until the app is restarted.',
    alone: true,
    skip: withoutMeans('restart'),
    async run(f) {
      const kept = await f.stored({ subject: `user-${f.id()}` })
      await everyMethod(f, async (_, __, call) => await call())
      await f.restartBackend?.()
      const found = await again(f, 'read', () => f.store.read(kept.id, f.context()))
      equal(found?.payload, kept.record.payload, 'the payload of a record from before the restart')
      await everyMethod(f, again)
    },
  },
]
