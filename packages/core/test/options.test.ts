import { readFileSync } from 'node:fs'
import { memoryStore } from '@sess/conformance'
import { describe, expect, it } from 'vitest'
import { ConfigError, createSessions, type SessionsOptions } from '../src/index.ts'

const store = memoryStore()
const SECRET = 'k3yOf-32-bytes-or-more-0123456789'
const cookieStore = { seal: () => 'token', unseal: () => null }

function refused(options: unknown): ConfigError {
  try {
    createSessions(options as SessionsOptions)
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    return error as ConfigError
  }
  throw new Error('accepted')
}

describe('wrong options fail at start-up and name themselves', () => {
  const wrong: [string, unknown][] = [
    ['store', undefined],
    ['store', {}],
    ['store', null],
    ['store', { store: null }],
    ['store', { store: 'sqlite' }],
    ['store', { store: { ...store, touch: undefined } }],
    ['store', { store: { seal: () => '' } }],
    ['stor', { store, stor: 1 }],
    ['__proto__x', { store, __proto__x: 1 }],
    ['constructor', JSON.parse('{"constructor": 1}')],
    ['secret', { store, secret: '' }],
    ['secret', { store: cookieStore }],
    ['secret', { store: cookieStore, secret: [] }],
    ['secret', { store: cookieStore, secret: 'short' }],
    ['secret', { store: cookieStore, secret: 'a'.repeat(64) }],
    ['secret', { store: { ...cookieStore, weakness: () => 'is known.' }, secret: SECRET }],
    ['secret[1]', { store: cookieStore, secret: [SECRET, 'short'] }],
    ['age', { store, age: '2w' }],
    ['age', { store, age: 0 }],
    ['age', { store, age: -1 }],
    ['age', { store, age: Number.NaN }],
    ['age', { store, age: Infinity }],
    ['absoluteAge', { store, absoluteAge: '1' }],
    ['expireAtBrowserClose', { store, expireAtBrowserClose: 'yes' }],
    ['saveEveryRequest', { store, saveEveryRequest: 1 }],
    ['saveEveryRequest', { store, saveEveryRequest: { touchAfter: -1 } }],
    ['saveEveryRequest', { store, saveEveryRequest: null }],
    ['timeout', { store, timeout: 0 }],
    ['timeout', { store, timeout: 2 ** 31 }],
    ['onConflict', { store, onConflict: 'first' }],
    ['notBefore', { store, notBefore: 5 }],
    ['maxBytes', { store, maxBytes: '1mb' }],
    ['store.maxBytes', { store: { ...store, maxBytes: '1mb' } }],
    ['store.maxBytes', { store: { ...store, maxBytes: 0 } }],
    ['lazy', { store, lazy: 1 }],
    ['trackMutations', { store, trackMutations: 'no' }],
    ['schema', { store, schema: {} }],
    ['schema', { store, schema: null }],
    ['codec', { store, codec: 'json' }],
    ['codec', { store, codec: { encode: () => '' } }],
    ['hashKeys', { store, hashKeys: 'sha256' }],
    ['hooks', { store, hooks: 'log' }],
    ['hooks.save', { store, hooks: { save: () => 1 } }],
    ['hooks.saved', { store, hooks: { saved: 'x' } }],
    ['clock', { store, clock: 5 }],
    ['clock', { store, clock: () => Number.NaN }],
    ['random', { store, random: () => [1] }],
    ['cookie', { store, cookie: 'sid' }],
    ['cookie.nam', { store, cookie: { nam: 'x' } }],
    ['cookie.name', { store, cookie: { name: 'a b' } }],
    ['cookie.name', { store, cookie: { name: '' } }],
    ['cookie.name', { store, cookie: { name: 'a=b' } }],
    ['cookie.name', { store, cookie: { name: 5 } }],
    ['cookie.path', { store, cookie: { path: 'app' } }],
    ['cookie.path', { store, cookie: { path: '/a;b' } }],
    ['cookie.path', { store, cookie: { path: '/a\r\nSet-Cookie: x' } }],
    ['cookie.path', { store, cookie: { path: `/${'a'.repeat(1024)}` } }],
    ['cookie.domain', { store, cookie: { domain: 'exa mple' } }],
    ['cookie.domain', { store, cookie: { domain: '' } }],
    ['cookie.secure', { store, cookie: { secure: 'always' } }],
    ['cookie.httpOnly', { store, cookie: { httpOnly: 1 } }],
    ['cookie.sameSite', { store, cookie: { sameSite: 'Lax' } }],
    ['cookie.sameSite', { store, cookie: { sameSite: true } }],
    ['cookie.partitioned', { store, cookie: { partitioned: 1 } }],
    ['cookie.priority', { store, cookie: { priority: 'urgent' } }],
  ]
  it.each(wrong)('%s: %o', (option, options) => {
    const error = refused(options)
    expect(error.option).toBe(option)
    expect(error.message.startsWith(`${option}: `)).toBe(true)
    expect(error).toMatchObject({ code: 'CONFIG', status: 500, name: 'ConfigError' })
  })

  it('no secret in the message [A8]', () => {
    const secret = 'hunter2-hunter2'
    expect(refused({ store: cookieStore, secret }).message).not.toContain(secret)
  })

  it('undefined stands for the default everywhere', () => {
    const all = ['secret', 'cookie', 'age', 'timeout', 'codec', 'hooks', 'clock', 'saveEveryRequest', 'lazy']
    expect(createSessions({ store, ...Object.fromEntries(all.map(name => [name, undefined])) }).lazy).toBe(
      false,
    )
  })
})

describe('what browsers reject is an error at start-up [A10, A12, A16]', () => {
  it.each<[string, object]>([
    ['cookie.secure', { sameSite: 'none' }],
    ['cookie.secure', { sameSite: 'none', secure: false }],
    ['cookie.secure', { partitioned: true }],
    ['cookie.secure', { name: '__Secure-sid' }],
    ['cookie.secure', { name: '__Host-sid', secure: false }],
    ['cookie.secure', { name: '__HOST-sid', secure: 'auto' }],
    ['cookie.domain', { name: '__Host-sid', secure: true, domain: 'example.com' }],
    ['cookie.path', { name: '__host-sid', secure: true, path: '/app' }],
    ['cookie.httpOnly', { name: '__Http-sid', secure: true, httpOnly: false }],
    ['cookie.httpOnly', { name: '__Host-Http-sid', secure: true, httpOnly: false }],
    ['cookie.path', { name: '__Host-Http-sid', secure: true, path: '/x' }],
  ])('%s with %o', (option, cookie) => {
    const { option: named, message } = refused({ store, cookie })
    const cause = 'name' in cookie ? 'this name' : 'partitioned' in cookie ? 'partitioned' : "sameSite 'none'"
    expect(named).toBe(option)
    expect(message).toContain(`with ${cause}.`)
  })

  it.each([
    { sameSite: 'none', secure: true },
    { partitioned: true, secure: true },
    { name: '__Host-sid', secure: true },
    { name: '__Secure-sid', secure: true, domain: 'example.com', path: '/app' },
    { name: '__Http-sid', secure: true, domain: 'example.com' },
    { name: '__Host-Http-sid', secure: true },
    {
      domain: '.example.com',
      path: '/app/',
      sameSite: false,
      priority: 'high',
      httpOnly: false,
      secure: false,
    },
  ] as const)('accepts %o', cookie => {
    expect(() => createSessions({ store, cookie })).not.toThrow()
  })
})

describe('maxBytes', () => {
  it.each([
    [100, undefined],
    [100, 1000],
    [undefined, 100],
    [1000, 100],
  ])('of the store %s and of the options %s: the smaller wins', async (ofStore, given) => {
    const writes: string[] = []
    const watched = {
      ...store,
      maxBytes: ofStore,
      insert(...args: Parameters<typeof store.insert>) {
        writes.push('insert')
        return store.insert(...args)
      },
    }
    const sessions = createSessions({ store: watched, maxBytes: given })
    const commit = async (size: number) => {
      const session = sessions.open(undefined)
      session.set('k', 'x'.repeat(size))
      await sessions.commit(session, { status: 200 })
    }
    await expect(commit(100)).rejects.toMatchObject({ code: 'SESSION_DATA' })
    expect(writes).toEqual([])
    await commit(50)
    expect(writes).toEqual(['insert'])
  })
})

describe('the README', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const rows = readme.split('\n').filter(line => line.startsWith('| `'))
  /** The error for an unknown name lists all that exist. */
  const listed = (options: unknown): string[] =>
    / there are (.*)\.$/.exec(refused(options).message)![1]!.split(', ')

  it.each(listed({ store, unknown: 1 }))('lists the option %s', option => {
    expect(rows.some(row => row.split('|')[1]!.includes(`\`${option}\``))).toBe(true)
  })

  it.each(listed({ store, hooks: { unknown: 1 } }))('lists the hook %s', hook => {
    const row = rows.find(line => line.startsWith('| `hooks`'))
    expect(row).toMatch(new RegExp(`\\b${hook}\\b`))
  })
})
