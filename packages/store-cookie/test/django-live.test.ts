import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { CookieStore, SessionRecord } from '@sess/core'
import { djangoCodec } from '@sess/core/django'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { signedCookieStore } from '../src/index.ts'

const SECRET = 'live-Zk3vQ9nW1rT7yB5mX8cL2pD6sF4hJ0gA'
const python = process.env['PYTHON_DJANGO'] ?? '/usr/bin/python3'
const there = spawnSync(python, ['-c', 'import django']).status === 0
if (!there) {
  const problem = `${python} has no Django: apt-get install python3-django, or say where it is in PYTHON_DJANGO`
  if (process.env['SESS_REQUIRE_SERVERS'] === '1') throw new Error(problem)
  console.warn(`SKIPPED, the exchange with a live Django: ${problem}`)
}

const samples: Record<string, unknown>[] = [
  {},
  { a: 1 },
  { text: 'é 日本 😀 \u007f "\\\n </script>', 'a:b.c': [null, true, false, -1.5, 1e300] },
  { repeated: 'abc'.repeat(300), nested: { list: Array.from({ length: 50 }, (_, n) => ({ n })) } },
  {
    _auth_user_id: '7',
    _auth_user_backend: 'django.contrib.auth.backends.ModelBackend',
    _auth_user_hash: 'f'.repeat(64),
  },
  { soon: 1, _session_expiry: 300 },
  JSON.parse('{"__proto__":{"x":1},"constructor":2}'),
]

describe.skipIf(!there)('a live Django', () => {
  let peer: ChildProcess
  let answers: AsyncIterator<string>
  async function ask<T>(op: string, value?: unknown): Promise<T> {
    peer.stdin?.write(`${JSON.stringify({ op, value })}\n`)
    const { value: line, done } = await answers.next()
    if (done) throw new Error('Django ended; see the error above.')
    return JSON.parse(line) as T
  }

  beforeAll(async () => {
    const script = new URL('django_peer.py', import.meta.url).pathname
    peer = spawn(python, [script, SECRET], { stdio: ['pipe', 'pipe', 'inherit'] })
    answers = createInterface({ input: peer.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
    console.log(`Django ${await ask<string>('version')}`)
  })
  afterAll(async () => {
    peer.stdin?.end()
    if (peer.exitCode === null) await once(peer, 'exit')
  })

  const codec = djangoCodec({ secret: SECRET })
  const store: CookieStore = signedCookieStore({ django: true })
  const context = () => ({ name: 'sessionid', secrets: [SECRET], now: Date.now() })
  const record = (data: unknown): SessionRecord => ({
    payload: JSON.stringify(data),
    expiresAt: Date.now() + 1_209_600_000,
  })

  test('reads the session data that we store', async () => {
    for (const data of samples) expect(await ask('decode', codec.encode(data))).toEqual(data)
    const tampered = (codec.encode({ a: 1 }) as string).replace('e', 'f')
    expect(await ask('decode', tampered)).toEqual({})
  })

  test('stores session data that we read', async () => {
    for (const data of samples) expect(codec.decode(await ask<string>('encode', data))).toEqual(data)
  })

  test('writes the same text as we, where nothing is compressed', async () => {
    const theirs = await ask<string>('encode', { a: 1, b: 'é' })
    const [, stamp = ''] = theirs.split(':')
    // The same second, read back from the stamp.
    const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
    let second = 0
    for (const digit of stamp) second = second * 62 + digits.indexOf(digit)
    expect(djangoCodec({ secret: SECRET, clock: () => second * 1000 }).encode({ a: 1, b: 'é' })).toBe(theirs)
  })

  test('reads the cookies that we write', async () => {
    for (const data of samples) {
      const token = store.seal(record(data), context())
      expect(await ask('read_cookie', token)).toEqual({ items: data, good: true })
    }
  })

  test('writes cookies that we read', async () => {
    for (const data of samples) {
      const token = await ask<string>('cookie', data)
      const found = store.unseal(token, context()) as SessionRecord
      expect(JSON.parse(found.payload)).toEqual(data)
      const life = ((data['_session_expiry'] as number | undefined) ?? 1_209_600) * 1000
      expect(Math.abs(found.expiresAt - Date.now() - life)).toBeLessThan(5_000)
    }
  })

  test('rejects our cookie when its record has ended, and takes one that lives longer than its age', async () => {
    const ended = store.seal({ ...record({ a: 1 }), expiresAt: Date.now() - 1_000 }, context())
    expect(await ask('read_cookie', ended)).toEqual({ items: {}, good: false })
    const month = { ...record({ a: 1, _session_expiry: 2_592_000 }), expiresAt: Date.now() + 2_592_000_000 }
    expect(await ask('read_cookie', store.seal(month, context()))).toMatchObject({ good: true })
  })

  test('rejects our cookie of another secret', async () => {
    const strange = store.seal(record({ a: 1 }), { ...context(), secrets: ['another secret'] })
    expect(await ask('read_cookie', strange)).toEqual({ items: {}, good: false })
  })
})
