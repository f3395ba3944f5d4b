import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const OURS = join(import.meta.dirname, '../../../../test-fixtures/django')

/** `SESS_DJANGO_FIXTURES` replays another folder of the same shape. */
export const folder = process.env['SESS_DJANGO_FIXTURES'] ?? OURS
export const isOurFolder = folder === OURS
if (!existsSync(folder)) throw new Error(`SESS_DJANGO_FIXTURES: there is no folder ${folder}.`)

export interface Recording<Input = any, Expect = any> {
  id: string
  input: Input
  expect: Expect
}

/** The cases of a file as they are written; of another folder, none where it has no such file. */
export function rawCases<Case>(file: string): Case[] {
  const path = join(folder, file)
  if (!isOurFolder && !existsSync(path)) return []
  const { cases } = JSON.parse(readFileSync(path, 'utf8')) as { cases: Case[] }
  return cases
}

/** The cases of a file. Where Django 5.2 answered otherwise than 3.2, its answer. */
export function recordings(file: string): Recording[] {
  return rawCases<Recording & { expect_52?: unknown }>(file).map(({ id, input, expect, expect_52 }) => ({
    id,
    input,
    expect: expect_52 ?? expect,
  }))
}

/** The clock of a recording where it does not say otherwise, Unix seconds. */
export const START = 1_700_000_000
export const SECRET = 'oracle-secret-key-0123456789-abcdefghijklmnopqrstuvwxyz'

export const BACKENDS = ['db', 'file', 'cache', 'cached_db', 'signed_cookies'] as const
export type Backend = (typeof BACKENDS)[number]

/** An operation of a recording: its name, then its arguments in the recordings' spelling. */
export type Operation = [name: string, ...args: any[]]

export interface Seed {
  data?: Record<string, any>
  state?: 'live' | 'expired' | 'corrupt'
  saved_ago?: number
  ttl?: number
  raw?: string
  where?: 'both' | 'db' | 'cache'
  cached_data?: Record<string, any>
}

/** Django's settings, with its defaults. */
export interface DjangoSettings {
  age: number
  expireAtBrowserClose: boolean
  saveEveryRequest: boolean
  cookieName: string
  path: string | null
  domain: string | null
  secure: boolean
  httpOnly: boolean
  sameSite: string | false | null
  /** The time zone of naive times, with `USE_TZ` off; `undefined`: times are moments. */
  zone: string | undefined
}

export function settingsOf(given: Record<string, any> = {}): DjangoSettings {
  const setting = (name: string, fallback: any): any => (name in given ? given[name] : fallback)
  return {
    age: setting('SESSION_COOKIE_AGE', 1_209_600),
    expireAtBrowserClose: setting('SESSION_EXPIRE_AT_BROWSER_CLOSE', false),
    saveEveryRequest: setting('SESSION_SAVE_EVERY_REQUEST', false),
    cookieName: setting('SESSION_COOKIE_NAME', 'sessionid'),
    path: setting('SESSION_COOKIE_PATH', '/'),
    domain: setting('SESSION_COOKIE_DOMAIN', null),
    secure: setting('SESSION_COOKIE_SECURE', false),
    httpOnly: setting('SESSION_COOKIE_HTTPONLY', true),
    sameSite: setting('SESSION_COOKIE_SAMESITE', 'Lax'),
    zone: setting('USE_TZ', true) ? undefined : setting('TIME_ZONE', 'UTC'),
  }
}

/** How a seeded session stands: when it was saved and how long it still lives, in seconds; as gen/oracle.py does. */
export function lifeOfSeed(seed: Seed, age: number): { savedAgo: number; ttl: number } {
  const savedAgo = seed.saved_ago ?? 1000
  const ttl = seed.state === 'expired' ? -1 : (seed.ttl ?? age - savedAgo)
  return { ttl, savedAgo: 'ttl' in seed || seed.state === 'expired' ? age - ttl : savedAgo }
}

/** Whether the recorder put the seed into the cache at all. */
export function isCached(seed: Seed): boolean {
  return (seed.state ?? 'live') === 'live' && !('raw' in seed) && lifeOfSeed(seed, 1_209_600).ttl > 0
}
