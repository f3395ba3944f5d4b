import { existsSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Codec, type CookieStore, json, type Sessions, type Store } from '@sess/core'
import { inspect } from '@sess/core/inspect'
import { DEFAULT_AGE } from './age.ts'
import { Failure, MISUSED, UNREACHABLE } from './failure.ts'
import { decodeWith } from './payload.ts'
import type { StoreOptions, Target } from './target.ts'

/**
 * Opens what a module exports (default, or as `sessions`, `options` or `store`): a store, an engine, the options of
 * `createSessions`, or a function that makes one of them.
 */
export async function openConfig(path: string, options: StoreOptions, cwd: string): Promise<Target> {
  for (const name of ['django', 'table', 'schema', 'prefix'] as const) {
    if (options[name] !== undefined) {
      throw new Failure(MISUSED, `--${name} goes with --store. Say it in ${basename(path)} instead.`)
    }
  }
  const file = resolve(cwd, path)
  if (!existsSync(file)) throw new Failure(MISUSED, `There is no file ${file}. Correct --config.`)
  const exported = await load(file)
  const rest = { age: options.age, hashKeys: true, cookieName: options.cookieName ?? 'sessionid' }
  const base = {
    label: basename(path),
    kind: 'module' as const,
    codec: json(),
    decode: decodeWith(),
    ...rest,
  }

  if (isStore(exported)) return { ...base, store: exported, close: () => exported.close?.() }
  if (isCookieStore(exported)) {
    return { ...base, store: undefined, close: () => undefined }
  }
  if (isEngine(exported)) {
    const { store, codec, age, hashKeys } = inspect(exported)
    return {
      ...base,
      cookieName: exported.cookieName,
      codec,
      decode: decodeWith(codec),
      age: options.age ?? age,
      hashKeys,
      store,
      engine: exported,
      close: () => exported.close(),
    }
  }
  if (isObject(exported) && exported['store'] !== undefined) {
    const {
      store,
      codec,
      cookie,
      hashKeys = true,
      age = DEFAULT_AGE,
    } = exported as unknown as {
      store: unknown
      codec?: Codec
      cookie?: { name?: string }
      hashKeys?: boolean
      age?: number
    }
    const known = {
      ...base,
      hashKeys,
      age: options.age ?? age,
      cookieName: options.cookieName ?? cookie?.name ?? 'sessionid',
      ...(codec && { codec, decode: decodeWith(codec) }),
    }
    if (isStore(store)) return { ...known, store, close: () => store.close?.() }
    if (isCookieStore(store)) return { ...known, store: undefined, close: () => undefined }
  }
  throw new Failure(
    MISUSED,
    `${basename(path)} exports no store. Export a store, an engine of createSessions(), or its options: export default { store, codec }.`,
  )
}

async function load(file: string): Promise<unknown> {
  let module: Record<string, unknown>
  try {
    module = (await import(pathToFileURL(file).href)) as Record<string, unknown>
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ERR_UNKNOWN_FILE_EXTENSION') {
      throw new Failure(
        MISUSED,
        `This Node (${process.version}) cannot run ${basename(file)}. Use Node 22.18 or newer, or a .js file.`,
      )
    }
    throw new Failure(
      code === 'ECONNREFUSED' ? UNREACHABLE : MISUSED,
      `${basename(file)} cannot be loaded: ${message}`,
      { cause: error },
    )
  }
  const found = module['default'] ?? module['sessions'] ?? module['options'] ?? module['store']
  // A CommonJS module is its own default export.
  const inner = isObject(found) && found['__esModule'] === true ? (found['default'] ?? found) : found
  return typeof inner === 'function' ? await (inner as () => unknown)() : await inner
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

function has(value: unknown, methods: readonly string[]): boolean {
  return isObject(value) && methods.every(method => typeof value[method] === 'function')
}

const isStore = (value: unknown): value is Store =>
  has(value, ['read', 'insert', 'replace', 'touch', 'remove'])
const isCookieStore = (value: unknown): value is CookieStore => has(value, ['seal', 'unseal'])
const isEngine = (value: unknown): value is Sessions => has(value, ['open', 'commit', 'end'])
