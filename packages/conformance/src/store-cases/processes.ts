import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'
import type { Worker } from 'node:worker_threads'
import type { Store } from '@sess/core'
import { equal, fail, outcome, show } from '../check.ts'
import { withoutMeans } from '../means.ts'
import { facts, type StoreCase, type StoreFixture, without } from '../store-fixture.ts'

/**
 * What the second process, or a thread, runs: the store of the module, whose methods are called by message. `all` makes each of
 * some calls one after the other and without a pause, in several lanes.
 */
const CALLED = `
const { pathToFileURL } = await import('node:url')
const module = await import(path.startsWith('file:') ? path : pathToFileURL(path).href)
const made = await (module.default ?? module.store)(argument)
const store = made.store ?? made
const call = async (method, args) => {
  if (!/^scan|^clear/.test(method)) return await store[method](...args)
  const all = []
  for await (const each of store[method](...args)) all.push(each)
  return all
}
receive(async ({ n, method, args }) => {
  try {
    if (method !== 'all') return send({ n, value: await call(method, args) })
    await Promise.all(args.map(async calls => {
      for (const { method, args } of calls) await call(method, args)
    }))
    send({ n })
  } catch (error) {
    send({ n, error: String(error?.message ?? error) })
  }
})
send({ ready: true })
`

const CHILD = `
const { path, argument } = JSON.parse(process.env.SESS_STORE_MODULE)
const receive = listener => process.on('message', listener)
const send = message => process.send(message)
process.on('disconnect', () => process.exit())
${CALLED}`

/** A thread is no module, so it has no `await` outside of a function. */
const THREAD = `
const { parentPort, workerData: { path, argument } } = require('node:worker_threads')
const receive = listener => parentPort.on('message', listener)
const send = message => parentPort.postMessage(message)
const run = async () => {${CALLED}}
run()
`

type Answer = { ready: true } | { ready?: undefined; n: number; value?: unknown; error?: string }

interface Call {
  method: keyof Store
  args: unknown[]
}

/** A store that is called by message. `all` makes calls of several lanes, each lane one call after the other. */
type Remote = Store & { all(lanes: readonly Call[][]): Promise<void> }

/** The other end of a channel. */
interface Channel {
  send(message: { n: number; method: string; args: unknown[] }): void
  onMessage(listener: (answer: Answer) => void): void
  /** Called with what it said when it ended, if it does by itself. */
  onEnd(listener: (why: string) => void): void
}

async function remote({ send, onMessage, onEnd }: Channel): Promise<Remote> {
  const waiting = new Map<number, (answer: Answer) => void>()
  let calls = 0
  await new Promise<void>((resolve, reject) => {
    onMessage(answer => {
      if (answer.ready) resolve()
      else waiting.get(answer.n)?.(answer)
    })
    onEnd(why => {
      const error = new Error(why)
      reject(error)
      for (const settle of waiting.values()) settle({ n: 0, error: error.message })
    })
  })
  const call =
    (method: string) =>
    (...args: unknown[]) =>
      new Promise<unknown>((resolve, reject) => {
        const n = ++calls
        waiting.set(n, ({ ready: _, ...answer }: Answer & { error?: string; value?: unknown }) => {
          waiting.delete(n)
          if (answer.error === undefined) resolve(answer.value)
          else reject(new Error(answer.error))
        })
        send({ n, method, args })
      })
  const names = ['read', 'insert', 'replace', 'touch', 'remove', 'removeBySubject'] as const
  const store = Object.fromEntries(names.map(name => [name, call(name)])) as unknown as Store
  const all = call('all')
  return { ...store, all: async lanes => void (await all(...lanes)) }
}

/** The store of a second process, in another time zone, while `run` lasts. */
async function elsewhere(f: StoreFixture, run: (there: Remote) => Promise<void>): Promise<void> {
  const { path, argument } = f.module ?? { path: '' }
  const child = spawn(process.execPath, ['--input-type=module', '-e', CHILD], {
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    serialization: 'advanced',
    env: { ...process.env, TZ: 'Pacific/Apia', SESS_STORE_MODULE: JSON.stringify({ path, argument }) },
  })
  let errors = ''
  child.stderr?.on('data', (text: Buffer) => void (errors += text.toString()))
  try {
    const there = await remote({
      send: message => void child.send(message),
      onMessage: listener => void child.on('message', listener),
      onEnd: listener =>
        void child.once('exit', code => {
          listener(`the second process ended (${code}): ${errors.slice(-2_000)}`)
        }),
    })
    await run(there)
  } finally {
    await ended(child)
  }
}

/** The stores of two threads of this process: they share its number, and nothing else. */
async function inThreads(f: StoreFixture, run: (one: Store, two: Store) => Promise<void>): Promise<void> {
  const { path, argument } = f.module ?? { path: '' }
  // Not every runtime has threads.
  const threads = await import('node:worker_threads')
  const workers = [1, 2].map(() => new threads.Worker(THREAD, { eval: true, workerData: { path, argument } }))
  try {
    const open = (worker: Worker) => {
      let error: unknown
      worker.once('error', cause => void (error = cause))
      return remote({
        send: message => worker.postMessage(message),
        onMessage: listener => void worker.on('message', listener),
        onEnd: listener => void worker.once('exit', () => listener(`the thread ended: ${show(error)}`)),
      })
    }
    const [one, two] = await Promise.all(workers.map(open))
    if (one && two) await run(one, two)
  } finally {
    await Promise.all(workers.map(worker => worker.terminate()))
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  if (child.connected) child.disconnect()
  await exit
}

const alone = withoutMeans('module')

export const processCases: readonly StoreCase[] = [
  {
    id: 'store/process-sees',
    title: 'a second process sees every change at once, and this one sees its changes',
    rule: 'Once a write is answered, every reader of the backend finds it, in whatever process and time zone.',
    source:
      'docs/design.md#store-contract, docs/requirements.md#i2, docs/requirements.md#i6; docs/conformance-space.md, processes',
    why: 'Behind a load balancer the next request meets another process: it would find the session from before.',
    skip: alone,
    async run(f) {
      await elsewhere(f, async there => {
        for (let round = 0; round < 4; round++) {
          const [one, two] = round % 2 ? [f.store, there] : [there, f.store]
          const id = f.id()
          const context = f.context()
          equal(await two.read(id, context), null, 'what is read before')
          const record = f.record({ subject: `user-${id}`, payload: `{"é😀":"${round}"}` })
          equal(await one.insert(id, record, context), true, 'the answer of insert()')
          const found = await two.read(id, context)
          equal(facts(found), record, 'what the other process reads after insert()')
          const changed = f.record({ expiresAt: record.expiresAt + 77 })
          equal(
            await two.replace(id, changed, found?.version ?? '', context),
            'ok',
            'replace() by the other process',
          )
          const next = await one.read(id, context)
          equal(facts(next), changed, 'what is read after the other process replaced it')
          equal(
            await one.replace(id, record, found?.version ?? '', context),
            'stale',
            'replace() at the old version',
          )
          const later = changed.expiresAt + 5
          equal(await one.touch(id, later, next?.version ?? '', context), true, 'the answer of touch()')
          equal(
            (await two.read(id, context))?.expiresAt,
            later,
            'the expiry after touch() by the other process',
          )
          equal(await one.remove(id, undefined, context), 'ok', 'the answer of remove()')
          equal(await two.read(id, context), null, 'what the other process reads after remove()')
        }
      })
    },
  },
  {
    id: 'store/process-one-wins',
    title: 'of calls at one version by two processes exactly one wins',
    rule: 'Each call is atomic on its own, in the backend: a lock or a counter of one process is none of another.',
    source: 'docs/design.md#store-contract, docs/requirements.md#a37; docs/conformance-space.md, processes',
    why: 'Two servers would lose each other’s changes, or both take one session.',
    skip: alone,
    async run(f) {
      await elsewhere(f, async there => {
        for (let round = 0; round < (f.quick ? 5 : 15); round++) {
          const stores = Array.from({ length: 8 }, (_, n) => (n % 2 ? there : f.store))
          const id = f.id()
          const inserted = await Promise.all(stores.map(store => store.insert(id, f.record(), f.context())))
          equal(inserted.filter(Boolean).length, 1, 'the number of inserts that were told they won')
          const { version } = await f.readLive(id, 'the record')
          const replaced = await Promise.all(
            stores.map(store => store.replace(id, f.record(), version, f.context())),
          )
          equal(
            replaced.filter(answer => answer === 'ok').length,
            1,
            'the number of replaces that were told ok',
          )
          const next = (await f.readLive(id, 'the record')).version
          const removed = await Promise.all(stores.map(store => store.remove(id, next, f.context())))
          equal(
            removed.filter(answer => answer === 'ok').length,
            1,
            'the number of removes that were told ok',
          )
        }
      })
    },
  },
  {
    id: 'store/process-no-lost-update',
    title: 'writers in two processes that read, change and retry lose nothing',
    rule: 'Compare and replace in one step of the backend.',
    source: 'docs/design.md#store-replace, docs/requirements.md#f16; docs/conformance-space.md, processes',
    why: 'An item put into the cart on one server would vanish because of another server.',
    skip: alone,
    async run(f) {
      await elsewhere(f, async there => {
        // A counter of one process makes the versions of the other again, sooner or later.
        for (const [one, other] of [
          [f.store, there],
          [there, f.store],
        ] as const) {
          const id = f.id()
          await one.insert(id, f.record(), f.context())
          const seen = new Set<string>()
          for (let n = 0; n < 64; n++) {
            const { version, payload } = await f.readLive(id, 'the record')
            if (seen.has(version))
              fail('every replaced record to get a new version', `${n} replaces gave one again`)
            seen.add(version)
            equal(
              await other.replace(id, f.record({ payload: `${payload}.` }), version, f.context()),
              'ok',
              'replace()',
            )
          }
        }
        const { id } = await f.stored({ payload: '' })
        const letters = [...(f.quick ? 'abcdefgh' : 'abcdefghijklmnop')]
        const add = async (letter: string, store: Store) => {
          for (let attempt = 0; attempt < 500; attempt++) {
            const found = await store.read(id, f.context())
            if (!found) fail('the record to stay', 'read() answered null between two replaces')
            await f.jitter()
            const record = f.record({ payload: found.payload + letter })
            const answer = await store.replace(id, record, found.version, f.context())
            if (answer === 'ok') return
            equal(answer, 'stale', 'the answer of a replace() that met another writer')
          }
          fail('a writer to succeed within 500 attempts', 'it was stale every time')
        }
        await Promise.all(letters.map((letter, n) => add(letter, n % 2 ? there : f.store)))
        const { payload } = await f.readLive(id, 'the record')
        equal([...payload].sort().join(''), letters.join(''), 'what all writers wrote, sorted')
      })
    },
  },
  {
    id: 'store/process-everywhere',
    title: 'sessions that began in two processes are logged out everywhere by either [A24]',
    rule: 'Removes every session of a subject, whoever stored it.',
    source: 'docs/design.md#store-subject, docs/requirements.md#a24; docs/conformance-space.md, processes',
    why: '"Log out everywhere" would end the sessions of one server only.',
    skip: f => alone(f) ?? without('removeBySubject')(f),
    async run(f) {
      await elsewhere(f, async there => {
        for (const remover of [f.store, there]) {
          const subject = `user-${f.id()}`
          const ids = []
          for (let n = 0; n < 12; n++) {
            const id = f.id()
            const store = n % 2 ? there : f.store
            equal(await store.insert(id, f.record({ subject }), f.context()), true, 'the answer of insert()')
            ids.push(id)
          }
          equal(await remover.removeBySubject?.(subject, f.context()), 12, 'the answer of removeBySubject()')
          for (const id of ids) equal(await f.read(id), null, 'what is read of one of them')
        }
      })
    },
  },
  {
    id: 'store/process-busy',
    title: 'two processes that write without a pause do not fail each other',
    rule: 'Contention is no outage: "busy", "locked" and "could not serialize" are repeated in the store.',
    source:
      'docs/design.md#store-contract, docs/requirements.md#f7; SQLITE_BUSY_SNAPSHOT, for which busy_timeout does not wait; docs/conformance-space.md, processes',
    why: 'With two servers, or a worker beside one, some logins and saves would be errors whenever both write.',
    skip: alone,
    async run(f) {
      await elsewhere(f, async there => {
        const wanted = f.quick ? 60 : 200
        const count = Math.max(8, Math.min(wanted, Math.floor(4_000 / Math.max(0.1, await f.pace()))))
        const context = f.context()
        const ids = Array.from({ length: count }, () => f.id())
        // Records that are there, so that a write takes as long as others do.
        const versions = new Map<string, string>()
        for (const id of ids) versions.set(id, (await f.stored({ subject: `user-${id}` }, id)).version)
        const calls = (each: readonly string[]): Call[] =>
          each.flatMap(id => {
            const [fresh, subject] = [f.id(), `user-${id}`]
            return [
              { method: 'insert', args: [fresh, f.record({ subject }), context] },
              { method: 'replace', args: [id, f.record(), versions.get(id), context] },
              { method: 'remove', args: [fresh, undefined, context] },
            ]
          })
        const laneOf = (lane: number) => calls(ids.filter((_, n) => n % 4 === lane))
        const here = async (lane: Call[]) => {
          for (const { method, args } of lane) {
            await (f.store[method] as (...args: unknown[]) => unknown)(...args)
          }
        }
        const both = await Promise.all([
          outcome(() => there.all([laneOf(0), laneOf(1)])),
          outcome(() => Promise.all([here(laneOf(2)), here(laneOf(3))])),
        ])
        for (const [n, { error }] of both.entries()) {
          const whose = n === 0 ? 'the other process' : 'this process'
          if (error !== undefined) {
            fail(
              'every write to succeed while another process writes, too',
              `one by ${whose} failed: ${show(error)}`,
            )
          }
        }
        for (const id of ids) {
          const { version } = await f.readLive(id, 'a record that was replaced')
          if (version === versions.get(id)) fail('every replace to be done', 'one was not')
        }
      })
    },
  },
  {
    id: 'store/process-same-number',
    title:
      'two processes of the same number make different versions, as in containers, where each has the number 1',
    rule: 'A version changes with the record, whoever writes it: the number of a process and a counter do not make it unique.',
    source:
      'docs/design.md#store-version, docs/design.md#store-replace, docs/requirements.md#f16; docs/conformance-space.md, processes',
    why: 'Two containers would make the same version: a save that comes late would overwrite another one, and a cart would lose an item.',
    skip: alone,
    async run(f) {
      await inThreads(f, async (one, two) => {
        // Each counts the same number of writes, and then one more or less.
        for (let round = 0; round < 6; round++) {
          for (let n = 0; n < round % 3; n++) await one.insert(f.id(), f.record(), f.context())
          const id = f.id()
          equal(await one.insert(id, f.record(), f.context()), true, 'the answer of insert()')
          const found = await one.read(id, f.context())
          const version = found?.version ?? ''
          const record = f.record()
          equal(await two.replace(id, record, version, f.context()), 'ok', 'the answer of replace()')
          const late = await one.replace(id, f.record(), version, f.context())
          equal(
            late,
            'stale',
            'the answer of a replace() at the version that another process of this number has replaced',
          )
          equal(facts(await f.read(id)), record, 'what is read after that')
        }
      })
    },
  },
]
