import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'
import type { Store } from '@sess/core'
import { equal, fail } from '../check.ts'
import { withoutMeans } from '../means.ts'
import { facts, type StoreCase, type StoreFixture, without } from '../store-fixture.ts'

/** What the second process runs: the store of the module, whose methods are called by message. */
const CHILD = `
import { pathToFileURL } from 'node:url'
const { path, argument } = JSON.parse(process.env.SESS_STORE_MODULE)
const module = await import(path.startsWith('file:') ? path : pathToFileURL(path).href)
const made = await (module.default ?? module.store)(argument)
const store = made.store ?? made
process.on('message', async ({ n, method, args }) => {
  try {
    let value
    if (/^scan|^clear/.test(method)) {
      value = []
      for await (const each of store[method](...args)) value.push(each)
    } else value = await store[method](...args)
    process.send({ n, value })
  } catch (error) {
    process.send({ n, error: String(error?.message ?? error) })
  }
})
process.on('disconnect', () => process.exit())
process.send({ ready: true })
`

type Answer = { ready: true } | { ready?: undefined; n: number; value?: unknown; error?: string }

/** The store of a second process, in another time zone, while `run` lasts. */
async function elsewhere(f: StoreFixture, run: (there: Store) => Promise<void>): Promise<void> {
  const { path, argument } = f.module ?? { path: '' }
  const child = spawn(process.execPath, ['--input-type=module', '-e', CHILD], {
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    serialization: 'advanced',
    env: { ...process.env, TZ: 'Pacific/Apia', SESS_STORE_MODULE: JSON.stringify({ path, argument }) },
  })
  let errors = ''
  child.stderr?.on('data', (text: Buffer) => void (errors += text.toString()))
  const waiting = new Map<number, (answer: Answer) => void>()
  let calls = 0
  try {
    const ready = new Promise<void>((resolve, reject) => {
      child.on('message', (answer: Answer) => {
        if (answer.ready) resolve()
        else waiting.get(answer.n)?.(answer)
      })
      child.once('exit', code => {
        const error = new Error(`the second process ended (${code}): ${errors.slice(-2_000)}`)
        reject(error)
        for (const settle of waiting.values()) settle({ n: 0, error: error.message })
      })
    })
    await ready
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
          child.send({ n, method, args })
        })
    const names = ['read', 'insert', 'replace', 'touch', 'remove', 'removeBySubject'] as const
    await run(Object.fromEntries(names.map(name => [name, call(name)])) as unknown as Store)
  } finally {
    await ended(child)
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
]
