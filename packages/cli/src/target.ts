import { existsSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { type Codec, createSessions, json, type Sessions, type Store } from '@sess/core'
import type { Decode } from '@sess/core/inspect'
import { DEFAULT_AGE } from './age.ts'
import { Failure, MISUSED, UNREACHABLE } from './failure.ts'
import { storeOptionFor, whatIsAt } from './place.ts'
import type { RedisTarget } from './redis.ts'
import type { SqlTarget } from './sql.ts'

/** The options by which a command names its store. */
export interface StoreOptions {
  store?: string
  config?: string
  django?: boolean
  table?: string
  schema?: string
  prefix?: string
  cookieName?: string
  secret?: string[]
  age?: number
}

/** An opened store, and what is known about it. */
export interface Target {
  /** For people. Without a password. */
  label: string
  kind: 'sqlite' | 'postgres' | 'mysql' | 'redis' | 'file' | 'module'
  /** `undefined`: the sessions are in the cookies, and no store has them. */
  store: Store | undefined
  /** The application's own engine, if its config exports one. */
  engine?: Sessions
  codec: Codec
  decode: Decode
  /** Seconds that a session lives on after it was saved or extended, if that is known. */
  age: number | undefined
  /** Ids are hashes of keys. `false`: an id is the key itself, as in Django. */
  hashKeys: boolean
  cookieName: string
  /** Payloads are signed, and no secret was given to check them with. */
  isUnchecked?: boolean
  sql?: SqlTarget
  redis?: RedisTarget
  /** The folder of a file store, or the file of a SQLite database. */
  path?: string
  close(): unknown
}

const KINDS = 'sqlite:FILE, postgres://…, mysql://…, redis://…, file:FOLDER'

/** Whether a store that is not there is made: by `sess migrate`, or in memory alone by its dry run. */
export type Make = 'no' | 'really' | 'dry'

/** Opens the store that the options name, or that a `sess.config` in the folder exports. */
export async function openTarget(
  options: StoreOptions,
  { cwd, make = 'no' }: { cwd: string; make?: Make },
): Promise<Target> {
  if (options.config !== undefined) {
    const { openConfig } = await import('./config.ts')
    return openConfig(options.config, options, cwd)
  }
  if (options.store === undefined) {
    const found = ['sess.config.ts', 'sess.config.js', 'sess.config.mjs'].find(name =>
      existsSync(resolve(cwd, name)),
    )
    if (found === undefined) {
      throw new Failure(
        MISUSED,
        `No store is named. Give --store or SESS_STORE (${KINDS}), or --config with a module that exports one.`,
      )
    }
    const { openConfig } = await import('./config.ts')
    return openConfig(found, options, cwd)
  }
  return openUrl(options.store, options, cwd, make)
}

async function openUrl(store: string, options: StoreOptions, cwd: string, make: Make): Promise<Target> {
  const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+.-]{1,30}):(.*)$/is.exec(store) ?? []
  const isNameless = rest === '' || rest === '//'
  switch (scheme.toLowerCase()) {
    case 'sqlite':
      if (isNameless) throw nameless('file name', 'sqlite:sessions.db')
      return openSqlTarget('sqlite', rest.replace(/^\/\//, ''), options, cwd, make)
    case 'postgres':
    case 'postgresql':
      return openSqlTarget('postgres', checkedUrl(store), options, cwd, make)
    case 'mysql':
    case 'mariadb':
      return openSqlTarget('mysql', checkedUrl(store), options, cwd, make)
    case 'redis':
    case 'rediss':
      return openRedisTarget(checkedUrl(store), options, cwd)
    case 'file':
      if (isNameless) throw nameless('name of the folder', 'file:sessions')
      return openFileTarget(resolve(cwd, rest.replace(/^\/\/(?=\/)/, '')), options, make)
  }
  const what = scheme && rest ? `There is no kind of store "${scheme}:"` : 'It names no kind of store'
  const meant = scheme ? undefined : storeOptionFor(store, cwd)?.join(' ')
  throw new Failure(
    MISUSED,
    `--store: ${what}. ${meant ? `Did you mean ${meant}? ` : ''}Give ${KINDS}, or --config with a module that exports a store.`,
  )
}

function nameless(what: string, example: string): Failure {
  return new Failure(MISUSED, `--store: the ${what} is missing. Write ${example}.`)
}

function checkedUrl(url: string): string {
  if (URL.canParse(url)) return url
  throw new Failure(
    MISUSED,
    '--store: the URL cannot be read. Percent-encode the parts of it, such as %40 for @.',
  )
}

async function openSqlTarget(
  dialect: 'sqlite' | 'postgres' | 'mysql',
  place: string,
  options: StoreOptions,
  cwd: string,
  make: Make,
): Promise<Target> {
  const { checkName, checkTable, sqlTarget } = await import('./sql.ts')
  if (options.prefix !== undefined) throw new Failure(MISUSED, '--prefix is for Redis. Use --table here.')
  if (options.schema !== undefined && dialect === 'sqlite') {
    throw new Failure(MISUSED, '--schema is for PostgreSQL and MySQL. SQLite has none.')
  }
  const name = {
    table: checkName('--table', options.table ?? (options.django ? 'django_session' : 'sessions')),
    schema: options.schema && checkName('--schema', options.schema),
  }
  const { query, close } = await openDatabase(dialect, place, cwd, make)
  try {
    // Django's own table stays as it is.
    const subject = make === 'no' ? await checkTable(dialect, query, name) : !options.django
    const sql = sqlTarget(dialect, query, name, subject)
    const where = dialect === 'sqlite' ? basename(place) : hostOf(place)
    return {
      label: `${dialect} ${where}, table ${name.schema ? `${name.schema}.` : ''}${name.table}`,
      kind: dialect,
      ...(await reading(options)),
      sql,
      store: sql.store,
      ...(dialect === 'sqlite' && { path: resolve(cwd, place) }),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

async function openDatabase(
  dialect: 'sqlite' | 'postgres' | 'mysql',
  place: string,
  cwd: string,
  make: Make,
) {
  if (dialect === 'sqlite') return (await import('./sqlite.ts')).openSqlite(place, cwd, make)
  if (dialect === 'postgres') return (await import('./postgres.ts')).openPostgres(place, cwd)
  return (await import('./mysql.ts')).openMysql(place, cwd)
}

async function openRedisTarget(url: string, options: StoreOptions, cwd: string): Promise<Target> {
  if (options.table !== undefined) throw new Failure(MISUSED, '--table is for SQL. Use --prefix here.')
  if (options.django) {
    throw new Failure(
      MISUSED,
      "--django reads Django's table in SQL. Its cache backend keeps pickled Python in Redis, which nothing else can read.",
    )
  }
  if (!/^\/?\d*$/.test(new URL(url).pathname)) {
    throw new Failure(
      MISUSED,
      '--store: a Redis URL ends in the number of a database, such as redis://host:6379/0.',
    )
  }
  const { openRedis } = await import('./redis.ts')
  const redis = await openRedis(url, cwd, options.prefix)
  return {
    label: `${redis.isCluster ? 'Redis Cluster' : 'redis'} ${hostOf(url)}`,
    kind: 'redis',
    ...(await reading(options)),
    store: redis.store,
    redis,
    close: redis.close,
  }
}

async function openFileTarget(folder: string, options: StoreOptions, make: Make): Promise<Target> {
  if (options.django)
    throw new Failure(MISUSED, "--django reads Django's table in SQL, and this is a folder.")
  const found = whatIsAt(folder)
  if (make === 'no' && found === 'nothing') {
    throw new Failure(
      UNREACHABLE,
      `There is no folder ${folder}. Name an existing one in --store, or make it with \`sess migrate\`.`,
    )
  }
  if (found === 'file') {
    throw new Failure(MISUSED, `${folder} is no folder. For a SQLite database write sqlite:FILE.`)
  }
  const { fileStore } = await import('@sess/store-file')
  return {
    label: `file ${folder}`,
    kind: 'file',
    ...(await reading(options)),
    store: fileStore(folder),
    path: folder,
    close: () => undefined,
  }
}

/** How sessions named by a URL are read: as the default options of an engine have it, or as Django. */
async function reading({ django = false, secret = [], cookieName = 'sessionid', age }: StoreOptions) {
  const { decodeWith, djangoReader } = await import('./payload.ts')
  const { codec, decode } = django ? djangoReader(secret) : { codec: json(), decode: decodeWith() }
  const isUnchecked = django && secret.length === 0
  return {
    codec,
    decode,
    age: age ?? (django ? DEFAULT_AGE : undefined),
    hashKeys: !django,
    cookieName,
    isUnchecked,
  }
}

/** `db.example:5432/shop`: what of a URL may be shown. */
function hostOf(url: string): string {
  const { host, pathname } = new URL(url)
  return `${host}${pathname === '/' ? '' : pathname}`
}

/** A method of the store that the command cannot do without. */
export function need<M extends keyof Store>(
  target: Target,
  method: M,
  command: string,
): NonNullable<Store[M]> {
  const { store } = target
  if (store === undefined) {
    throw new Failure(
      MISUSED,
      `Sessions of a cookie store are in the browsers alone, so \`sess ${command}\` has nothing to look at. \`sess decode\` shows what is in one cookie.`,
    )
  }
  const found = store[method]
  if (typeof found !== 'function') {
    throw new Failure(MISUSED, `This store has no ${method}(), which \`sess ${command}\` needs.`)
  }
  return found.bind(store) as unknown as NonNullable<Store[M]>
}

/** The engine by which sessions are ended: the application's own, so that its hooks run, or one over the store. */
export function engineOf(target: Target, command: string): Sessions {
  if (target.engine) return target.engine
  need(target, 'remove', command)
  return createSessions({
    store: target.store!,
    codec: target.codec,
    hashKeys: target.hashKeys,
    ...(target.age !== undefined && { age: target.age }),
    cookie: { name: target.cookieName },
    timeout: 30_000,
  })
}
