import { AsyncLocalStorage } from 'node:async_hooks'
import { resolve } from 'node:path'
import process from 'node:process'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import type { CookieStore, Store } from '@sess/core'
import { findProbe } from './adapter-cases/client.ts'
import { adapterCases } from './adapter-cases/index.ts'
import type { Case } from './case.ts'
import { fail, show } from './check.ts'
import { cookieStoreCases } from './cookie-cases/index.ts'
import type { CookieStoreSetup } from './cookie-fixture.ts'
import { formatProgress, formatReport } from './report.ts'
import {
  chosenBy,
  type Opened,
  openAdapterFor,
  openCookieStore,
  openStore,
  type Report,
  type RunOptions,
  runCases,
  storeCasesFor,
} from './runner.ts'
import { storeCases } from './store-cases/index.ts'
import type { StoreSetup } from './store-fixture.ts'

const usage = `Usage:
  sess-conformance ./my-store.js              proves a store
  sess-conformance adapter http://127.0.0.1:3000   proves an adapter by its probe app
  sess-conformance --list [store|cookie-store|adapter]

The module exports the store, or a function that makes one, as its default export, as "store" or as
"factory". The function is called for each case. It returns a store, or an object { store, second,
breakBackend, healBackend, now, advance, cleanup, … } of which all but the store is optional; or a promise.
A function exported as "teardown" is called once at the end: it closes what the cases shared.

Options:
  --filter <text>   only the cases whose id or title contains it
  --timeout <ms>    what one case may take (60000)
  --call-timeout <ms>  what a call to a broken backend may take, and a store to recover (5000)
  --concurrency <n>  cases at the same time (1); for a factory whose every call makes a backend of its own
  --quick           fewer combinations, rounds and records
  --bail            stop at the first case that fails
  --seed <number>   the random choices of an earlier run again; a failure names its seed
  --list            the cases, one a line, without running them
  --help`

/** What a command writes to, and runs on; `process` will do. */
export interface Console {
  stdout: { write(text: string): unknown }
  stderr: { write(text: string): unknown }
  versions?: { node?: string | undefined } | undefined
}

/** As `engines` of the manifest has it. An older Node lacks what the cases use, and right stores would seem broken. */
const NODE_NEEDED = [22, 13] as const

/** Runs the command line and returns the exit code: 0 proved, 1 a rule is broken, 2 the command is wrong. */
export async function runCommand(argv: string[], { stdout, stderr, versions }: Console): Promise<number> {
  const say = (text: string) => void stdout.write(`${text}\n`)
  try {
    checkNode(versions?.node)
    const { values, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        filter: { type: 'string' },
        timeout: { type: 'string' },
        'call-timeout': { type: 'string' },
        concurrency: { type: 'string' },
        quick: { type: 'boolean' },
        bail: { type: 'boolean' },
        seed: { type: 'string' },
        list: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
    const options: RunOptions = {
      filter: values.filter,
      timeout: values.timeout === undefined ? undefined : milliseconds(values.timeout, '--timeout'),
      callTimeout:
        values['call-timeout'] === undefined
          ? undefined
          : milliseconds(values['call-timeout'], '--call-timeout'),
      concurrency: values.concurrency === undefined ? undefined : countOf(values.concurrency),
      quick: values.quick,
      bail: values.bail,
      seed: values.seed === undefined ? undefined : seedOf(values.seed),
      onCase: (result, progress) => say(formatProgress(result, progress)),
    }
    const takes = values.list || positionals[0] !== 'adapter' ? 1 : 2
    const unknown = positionals.slice(takes)
    if (unknown.length > 0 && !values.help) {
      throw new Error(`unknown argument ${unknown.join(' ')}; sess-conformance --help tells what there is`)
    }
    if (values.list) {
      list(positionals[0], values.filter, say)
      return 0
    }
    const [target] = positionals
    if (values.help || target === undefined) {
      say(usage)
      return values.help ? 0 : 2
    }
    const strays = new StrayErrors()
    try {
      const report = await prove(target, positionals[1], options, strays)
      // What the last cases left uncaught, Node tells in the next turn.
      await setImmediate()
      say(`\n${formatReport(report)}`)
      const outside = isOneByOne(options)
        ? 'outside of the cases'
        : 'in one of the cases that ran at the same time (without --concurrency it is named), or outside of them,'
      for (const { id, error } of strays.uncharged) {
        const where = id === undefined ? outside : `after ${id}, which made it,`
        say(`\nBROKEN  ${where} nobody caught an error: ${withPlace(error)}`)
      }
      if (strays.uncharged.length > 0 || report.failed > 0) return 1
      return report.passed > 0 ? 0 : 2
    } finally {
      strays.stop()
    }
  } catch (error) {
    stderr.write(`sess-conformance: ${error instanceof Error ? error.message : String(error)}\n`)
    return 2
  }
}

const isOneByOne = ({ concurrency = 1 }: RunOptions): boolean => concurrency === 1

const sets = { store: storeCases, 'cookie-store': cookieStoreCases, adapter: adapterCases }

function list(which: string | undefined, filter: string | undefined, say: (text: string) => void): void {
  const unknown = which !== undefined && !Object.hasOwn(sets, which)
  if (unknown) throw new Error(`there are no cases for "${which}", only for ${Object.keys(sets).join(', ')}`)
  for (const [name, cases] of Object.entries(sets)) {
    if (which !== undefined && which !== name) continue
    for (const each of cases) if (chosenBy(filter, each)) say(`${each.id}  ${each.title}`)
  }
}

function milliseconds(text: string, option: string): number {
  const ms = Number(text)
  if (!(ms > 0)) throw new Error(`${option} must be a number of milliseconds, not "${text}"`)
  return ms
}

function countOf(text: string): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1)
    throw new Error(`--concurrency must be a whole number from 1 on, not "${text}"`)
  return count
}

function seedOf(text: string): number {
  const seed = Number(text)
  if (!/^\d+$/.test(text) || seed > 0xffff_ffff) {
    throw new Error(`--seed must be a whole number from 0 to 4294967295, not "${text}"`)
  }
  return seed
}

function checkNode(version: string | undefined): void {
  if (version === undefined) return
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [neededMajor, neededMinor] = NODE_NEEDED
  if (major > neededMajor || (major === neededMajor && minor >= neededMinor)) return
  throw new Error(`needs Node ${NODE_NEEDED.join('.')} or newer, and this is Node ${version}`)
}

/** A case as long as an error can be charged to it. */
interface Charged {
  id: string
  /** Absent when the case is over. */
  charge?: ((error: unknown) => void) | undefined
}

/** An error that nobody catches would end the process, and with it the report. Here it fails the case that made it. */
class StrayErrors {
  /** Those that came when no case ran that they could be charged to; `id`: the case that made it, where it is known. */
  readonly uncharged: { error: unknown; id?: string | undefined }[] = []
  readonly #cases = new AsyncLocalStorage<Charged>()
  /** The case that runs, where they run one by one: what a shared client does is of no case otherwise. */
  #only: Charged | undefined
  readonly #caught = (error: unknown): void => {
    const of = this.#cases.getStore() ?? this.#only
    if (of?.charge) of.charge(error)
    else this.uncharged.push({ error, id: of?.id })
  }

  constructor() {
    process.on('unhandledRejection', this.#caught)
    process.on('uncaughtException', this.#caught)
  }

  stop(): void {
    process.off('unhandledRejection', this.#caught)
    process.off('uncaughtException', this.#caught)
  }

  /** The cases, each of which fails as well with a stray error. */
  watch<Fixture>(cases: readonly Case<Fixture>[], oneByOne: boolean): Case<Fixture>[] {
    return cases.map(rule => ({
      ...rule,
      run: fixture => this.#run(rule.id, oneByOne, () => rule.run(fixture)),
    }))
  }

  async #run(id: string, oneByOne: boolean, run: () => Promise<void>): Promise<void> {
    let caught: { error: unknown } | undefined
    const stray = Promise.withResolvers<void>()
    const charged: Charged = {
      id,
      charge(error) {
        caught ??= { error }
        stray.resolve()
      },
    }
    if (oneByOne) this.#only = charged
    try {
      const running = this.#cases.run(charged, run)
      await Promise.race([running, stray.promise])
      // The case may go on all the same, and what it still does should not be charged to the next one. Or it waits for ever.
      if (caught) await Promise.race([running, sleep(1_000)])
      // Node tells of a rejection that nobody caught when the promises that are due have run.
      await setImmediate()
    } finally {
      charged.charge = undefined
      // A case that was given up for its time may end when the next one runs.
      if (this.#only === charged) this.#only = undefined
      if (caught)
        fail('every error to reach the caller', `nobody caught this one: ${withPlace(caught.error)}`)
    }
  }
}

/** The error, and the first lines of its stack: those that are no line of Node, if it has any. */
function withPlace(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  const all = stack.split('\n').filter(line => /^\s+at /.test(line))
  const own = all.filter(line => !/[( ]node:/.test(line))
  const lines = own.length > 0 ? own : all
  return [show(error), ...lines.slice(0, 3).map(line => `            ${line.trim()}`)].join('\n')
}

async function prove(
  target: string,
  address: string | undefined,
  options: RunOptions,
  strays: StrayErrors,
): Promise<Report> {
  const run: Run = (cases, open) => runCases(strays.watch(cases, isOneByOne(options)), open, options)
  if (target !== 'adapter') return await proveModule(target, options, run)
  if (!address || !URL.canParse(address)) {
    throw new Error('say where the probe app listens: sess-conformance adapter http://127.0.0.1:3000')
  }
  await findProbe(address)
  return await run(adapterCases, openAdapterFor(address))
}

type Run = <Fixture>(
  cases: readonly Case<Fixture>[],
  open: (rule: Case<Fixture>) => Promise<Opened<Fixture>>,
) => Promise<Report>

async function proveModule(path: string, options: RunOptions, run: Run): Promise<Report> {
  const { exported, teardown } = await load(path)
  const factory = async () => setupOf(await made(exported, path), path)
  try {
    const first = await factory()
    await first.cleanup?.()
    if (isCookieStore(first.store)) {
      return await run(cookieStoreCases, openCookieStore(factory as () => Promise<CookieStoreSetup>))
    }
    return await run(storeCasesFor(options), openStore(factory as () => Promise<StoreSetup>, options))
  } finally {
    await teardown()
  }
}

async function made(factory: () => unknown, path: string): Promise<unknown> {
  try {
    return await factory()
  } catch (error) {
    const message = error instanceof Error ? error.message : show(error)
    throw new Error(`the factory of ${path} threw: ${message}`, { cause: error })
  }
}

interface Loaded {
  exported: () => unknown
  teardown(): Promise<void>
}

async function load(path: string): Promise<Loaded> {
  const module = (await import(pathToFileURL(resolve(path)).href)) as Record<string, unknown>
  const exported = module['default'] ?? module['store'] ?? module['factory']
  // A CommonJS module is its own default export.
  const inner = isObject(exported) && !isSetup(exported) && !isStore(exported) && !isCookieStore(exported)
  const found = inner ? (exported['default'] ?? exported['factory']) : exported
  const last = module['teardown'] ?? (inner ? exported['teardown'] : undefined)
  const teardown = async () => void (typeof last === 'function' && (await last()))
  if (typeof found === 'function') return { exported: found as () => unknown, teardown }
  if (isObject(found)) return { exported: () => found, teardown }
  throw new Error(`${path} exports no store: export it as default, "store" or "factory"`)
}

function setupOf(value: unknown, path: string): StoreSetup | CookieStoreSetup {
  if (isStore(value)) return { store: value }
  if (isCookieStore(value)) return { store: value }
  if (isSetup(value)) return value
  throw new Error(
    `${path} makes no store: expected read, insert, replace, touch and remove, or seal and unseal`,
  )
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

function has(value: unknown, methods: string[]): boolean {
  return isObject(value) && methods.every(method => typeof value[method] === 'function')
}

const isStore = (value: unknown): value is Store =>
  has(value, ['read', 'insert', 'replace', 'touch', 'remove'])
const isCookieStore = (value: unknown): value is CookieStore => has(value, ['seal', 'unseal'])
const isSetup = (value: unknown): value is StoreSetup | CookieStoreSetup =>
  isObject(value) && (isStore(value['store']) || isCookieStore(value['store']))
