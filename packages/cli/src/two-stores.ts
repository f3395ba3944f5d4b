import { randomBytes } from 'node:crypto'
import type { Store } from '@sess/core'
import { Failure, failureOf, MISUSED } from './failure.ts'
import { openTarget, type StoreOptions, type Target } from './target.ts'

/** The options by which `sess move` names its two stores. */
export interface TwoStoresOptions {
  from?: string
  to?: string
  django?: boolean
  fromTable?: string
  toTable?: string
  fromPrefix?: string
  toPrefix?: string
}

export interface TwoStores {
  from: Target & { store: Store }
  to: Target & { store: Store }
  close(): Promise<void>
}

/** Opens both stores, and makes sure that sessions can be copied from one to the other as they are. */
export async function openBoth(options: TwoStoresOptions, cwd: string): Promise<TwoStores> {
  const from = await openSide('from', options, cwd)
  try {
    const to = await openSide('to', options, cwd)
    const close = async () => {
      await Promise.all([from.close(), to.close()])
    }
    try {
      if (from.hashKeys !== to.hashKeys) {
        throw new Failure(
          MISUSED,
          'One store is kept under session keys (Django, hashKeys: false) and the other under hashes of them, so no key would be found again. Give both the same kind.',
        )
      }
      await assertDifferent(from.store, to.store)
      return { from, to, close }
    } catch (error) {
      await to.close()
      throw error
    }
  } catch (error) {
    await from.close()
    throw error
  }
}

async function openSide(
  side: 'from' | 'to',
  options: TwoStoresOptions,
  cwd: string,
): Promise<Target & { store: Store }> {
  const name = options[side]
  if (name === undefined) {
    throw new Failure(
      MISUSED,
      `--${side} is missing. Name the ${side === 'from' ? 'old' : 'new'} store, such as --${side} sqlite:sessions.db, or in SESS_${side.toUpperCase()}.`,
    )
  }
  const table = side === 'from' ? options.fromTable : options.toTable
  const prefix = side === 'from' ? options.fromPrefix : options.toPrefix
  const storeOptions: StoreOptions = {
    ...(/^[^:]*\.[cm]?[jt]s$/.test(name) ? { config: name } : { store: name }),
    ...(options.django && { django: true }),
    ...(table !== undefined && { table }),
    ...(prefix !== undefined && { prefix }),
  }
  return inTermsOf(side, async () => {
    const target = await openTarget(storeOptions, { cwd })
    const { store, label } = target
    const problem = !store
      ? `${label} is a cookie store. Its sessions are in the browsers alone, so there is nothing to copy. The engine's \`adopt\` option takes over the sessions of other cookies.`
      : !store.scan
        ? `${label} has no scan(), so its sessions cannot be found. Use movingStore() in the new site alone.`
        : undefined
    if (problem === undefined) return { ...target, store: named(side, store!) }
    await target.close()
    throw new Failure(MISUSED, `--${side}: ${problem}`)
  })
}

/** The store, with errors that say which of the two it is. */
function named(side: 'from' | 'to', store: Store): Store {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        const result: unknown = value.apply(target, args)
        return isIterable(result) ? each(result) : inTermsOf(side, async () => result)
      }
    },
  })
  async function* each(entries: AsyncIterable<unknown>): AsyncGenerator<unknown> {
    try {
      yield* entries
    } catch (error) {
      throw of(side, error)
    }
  }
}

const isIterable = (value: unknown): value is AsyncIterable<unknown> =>
  typeof (value as AsyncIterable<unknown> | null)?.[Symbol.asyncIterator] === 'function'

async function inTermsOf<T>(side: 'from' | 'to', work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw of(side, error)
  }
}

/** The failure, with the names that these options have here. */
function of(side: 'from' | 'to', error: unknown): Failure {
  const failure = failureOf(error)
  const message = failure.message
    .replaceAll('SESS_STORE', `SESS_${side.toUpperCase()}`)
    .replace(/`sess migrate`/g, '`sess migrate --store …`')
    .replace(/--(table|prefix)\b/g, `--${side}-$1`)
    .replace(/(?<!migrate )--store\b/g, `--${side}`)
  const prefixed = message.includes(`--${side}`) ? message : `--${side}: ${message}`
  return new Failure(failure.exitCode, prefixed, { cause: error })
}

/** Two names may lead to one store. A move would then end by removing every session. */
async function assertDifferent(from: Store, to: Store): Promise<void> {
  const id = randomBytes(20).toString('hex')
  const probe = { payload: '{"_session_superseded":"sess-move"}', expiresAt: Date.now() + 10_000 }
  await to.insert(id, probe)
  try {
    if ((await from.read(id)) !== null)
      throw new Failure(MISUSED, '--from and --to are the same store. Name another in --to.')
  } finally {
    await to.remove(id)
  }
}
