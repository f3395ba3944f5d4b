import { equal, fail, ok, outcome, show } from '../check.ts'
import { withoutMeans } from '../means.ts'
import { facts, type StoreCase, type StoreFixture } from '../store-fixture.ts'
import { inTime } from './neighbours.ts'

/** How many waves of inserts are given up while the backend is frozen, and how many inserts are in one. */
const WAVES = 40
const IN_A_WAVE = 100
/** Still more than twice what a store may keep waiting. */
const QUICK_WAVES = 28

/** Stands still, as a process in a long computation does, or one that was stopped. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** Long enough for a call to be sent, and hardly for its answer. */
const oneTurn = () => new Promise<void>(resolve => setImmediate(resolve))

/** Inserts that nobody waits for longer than a moment. Returns the ids. */
async function giveUp(f: StoreFixture): Promise<string[]> {
  const ids: string[] = []
  for (let n = 0; n < (f.quick ? QUICK_WAVES : WAVES); n++) {
    const wave = Array.from({ length: IN_A_WAVE }, () => f.id())
    const signal = AbortSignal.timeout(25)
    const settled = await inTime(
      // A hundred calls at once take longer than one on a busy machine.
      { callTimeout: 5 * f.callTimeout },
      'inserts that were given up while the backend is frozen',
      () =>
        Promise.all(
          wave.map(id => outcome(() => f.store.insert(id, f.record(), { ...f.context(), signal }))),
        ),
    )
    const success = settled.find(({ error }) => error === undefined)
    if (success) fail('insert() to reject while the backend is frozen', `it returned ${show(success.value)}`)
    ids.push(...wave)
  }
  return ids
}

/** A stopped process may answer for a moment yet. */
async function untilFrozen(f: StoreFixture, id: string): Promise<void> {
  const until = performance.now() + f.callTimeout
  for (;;) {
    const signal = AbortSignal.timeout(50)
    const read = await inTime(f, 'read() of a frozen backend', () =>
      outcome(() => f.store.read(id, { ...f.context(), signal })),
    )
    if (read.error !== undefined) return
    ok(performance.now() < until, 'read() to reject while the backend is frozen', show(read.value))
  }
}

/** Waits until the store reads again. */
async function recovered(f: StoreFixture, id: string): Promise<void> {
  const until = performance.now() + f.callTimeout
  for (;;) {
    const signal = AbortSignal.timeout(250)
    const read = await outcome(() => f.store.read(id, { ...f.context(), signal }))
    if (read.error === undefined) {
      ok(read.value !== null, 'the record to be there after the backend was frozen', 'read() returned null')
      return
    }
    if (performance.now() > until) fail('the store to work once its backend does', show(read.error))
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

export const stalledCases: readonly StoreCase[] = [
  {
    id: 'store/stalled-process',
    title:
      'a reply that has arrived counts, although the process stood still for longer than any time limit [F3]',
    rule: 'When a time limit of the store ends, it looks at what has arrived first.',
    source: 'docs/design.md#store-context, docs/requirements.md#f3; Node runs timers before it reads sockets',
    why: 'After every long computation, logins and logouts that were done would be errors.',
    alone: true,
    // Workers have no event loop to stop: their clock stands while code runs.
    skip: () => (typeof setImmediate === 'function' ? undefined : 'this runtime has no setImmediate()'),
    async run(f) {
      const [read, replaced, touched, removed] = await Promise.all(
        Array.from({ length: 4 }, () => f.stored()),
      )
      const fresh = f.id()
      const record = f.record()
      const expiresAt = f.clock.now() + 7_200_000
      const calls = {
        read: outcome(() => f.store.read(read!.id, f.context())),
        insert: outcome(() => f.store.insert(fresh, record, f.context())),
        replace: outcome(() => f.store.replace(replaced!.id, record, replaced!.version, f.context())),
        touch: outcome(() => f.store.touch(touched!.id, expiresAt, touched!.version, f.context())),
        remove: outcome(() => f.store.remove(removed!.id, undefined, f.context())),
      }
      // The results arrive while nobody can read them.
      await oneTurn()
      standStill(f.quick ? 600 : 1_500)
      const expected = { insert: true, replace: 'ok', touch: true, remove: 'ok' }
      for (const [name, call] of Object.entries(calls)) {
        const { error, value } = await inTime<{ error?: unknown; value?: unknown }>(
          f,
          `${name}() of a process that stood still`,
          () => call,
        )
        if (error !== undefined) fail(`${name}() of a process that stood still to succeed`, show(error))
        if (name !== 'read') equal(value, expected[name as 'insert'], `what ${name}() returned`)
      }
      equal(facts((await calls.read).value), read!.record, 'what read() returned')
    },
  },
  {
    id: 'store/frozen-backend',
    title:
      'a backend that stops answering is an error, and the calls that were given up do not pile up [C11]',
    rule: 'While the backend does not answer, a bounded number of given-up calls waits to be sent or carried out.',
    source:
      'docs/design.md#store-context, docs/requirements.md#c11; 1.1 GB in ten minutes at 500 requests a second',
    why: 'A frozen server would fill the memory of every process that uses it, and be flooded when it is back.',
    alone: true,
    skip: withoutMeans('freeze'),
    async run(f) {
      const { id } = await f.stored()
      await f.freezeBackend?.()
      let ids: string[] = []
      try {
        await untilFrozen(f, id)
        ids = await giveUp(f)
      } finally {
        await f.thawBackend?.()
      }
      await recovered(f, id)
      // What was sent before is carried out before this, or at the same time.
      await new Promise(resolve => setTimeout(resolve, 200))
      let sent = 0
      const sample = f.quick ? ids.filter((_, n) => n % 10 === 0) : ids
      for (let n = 0; n < sample.length; n += 50) {
        const found = await Promise.all(sample.slice(n, n + 50).map(id => f.read(id)))
        sent += found.filter(Boolean).length
      }
      ok(
        sent <= sample.length / 2,
        `at most half of ${sample.length} given-up calls to be carried out after all`,
        `${sent} were`,
      )
    },
  },
]
