import { createHmac } from 'node:crypto'
import { createSessions } from '@sess/core'
import { COOKIE_SALT, dumps, STORE_SALT } from '@sess/core/django'
import { encryptedCookieStore, signedCookieStore } from '@sess/store-cookie'
import { describe, expect, test } from 'vitest'
import { sess } from './run.ts'

const SECRET = 'kD9vXo3c1Yq8mZr5T7uW2bE4nH6jL0pS'
const OTHER = 'aQ7rT2yU5iO8pL1kJ4hG6fD3sZ0xC9vB'
const decode = async (text: string, secret?: string, ...args: string[]) => {
  const env = secret === undefined ? {} : { SESS_SECRET: secret }
  const { code, out, err } = await sess(['decode', text, '--json', ...args], { env })
  return { code, err, ...(out && JSON.parse(out)) }
}

/** The cookie that an application with that store sends. */
async function cookieOf(store: ReturnType<typeof signedCookieStore>, name = 'sessionid'): Promise<string> {
  const sessions = createSessions({ store, secret: SECRET, cookie: { name } })
  const session = sessions.open()
  await session.load()
  session.set('cart', ['tea'])
  session.subject = 42
  const { setCookies } = await sessions.commit(session, { status: 200, secure: true })
  return setCookies[0]!
}

describe('decode', () => {
  test('a JSON payload, with what looks secret masked', async () => {
    expect(await decode('{"a":1,"apiKey":"x","_session_expiry":60}')).toMatchObject({
      code: 0,
      data: { a: 1, apiKey: '••••••' },
    })
    expect(await decode('{"apiKey":"x"}', undefined, '--reveal')).toMatchObject({ data: { apiKey: 'x' } })
  })

  test.each([
    ['signed', signedCookieStore],
    ['encrypted', encryptedCookieStore],
  ])('our %s cookie, as a Set-Cookie line or as its value', async (kind, store) => {
    const line = await cookieOf(store())
    for (const text of [line, `Set-Cookie: ${line}`, line.split(';')[0]!.slice('sessionid='.length)]) {
      expect(await decode(text, SECRET)).toMatchObject({
        code: 0,
        kind: expect.stringContaining(`${kind} cookie`),
        signature: 'good',
        data: { cart: ['tea'] },
      })
    }
    expect(await decode(line, OTHER)).toMatchObject({ code: 1, signature: 'bad' })
    expect(await decode(line, SECRET, '--cookie-name', 'other')).toMatchObject({ code: 1, signature: 'bad' })
  })

  test('our cookie without its secret: a signed one is shown unchecked, an encrypted one cannot be', async () => {
    expect(await decode(await cookieOf(signedCookieStore()))).toMatchObject({
      code: 0,
      signature: 'not checked',
      data: { cart: ['tea'] },
    })
    const encrypted = await decode(await cookieOf(encryptedCookieStore()))
    expect(encrypted.code).toBe(2)
    expect(encrypted.err).toContain('SESS_SECRET')
  })

  test.each([
    [STORE_SALT, 'database'],
    [COOKIE_SALT, 'signed_cookies'],
  ])("Django's, signed with the salt %s", async (salt, word) => {
    for (const compress of [false, true]) {
      const data = { _auth_user_id: '7', text: 'long '.repeat(50) }
      const text = await dumps(data, { secret: SECRET, salt, compress })
      expect(await decode(text, SECRET)).toMatchObject({
        code: 0,
        kind: expect.stringContaining(word),
        signature: 'good',
        data,
      })
      expect(await decode(`sessionid=${text}`)).toMatchObject({ code: 0, signature: 'not checked', data })
      expect(await decode(text, OTHER)).toMatchObject({ code: 1, signature: 'bad', data })
    }
  })

  test('a cookie of express-session', async () => {
    const signed = createHmac('sha256', SECRET).update('an-id').digest('base64').replace(/=+$/, '')
    const cookie = encodeURIComponent(`s:an-id.${signed}`)
    expect(await decode(`connect.sid=${cookie}`, SECRET)).toMatchObject({
      code: 0,
      signature: 'good',
      id: 'an-id',
    })
    expect(await decode(cookie, OTHER)).toMatchObject({ code: 1, signature: 'bad' })
    expect(await decode(cookie)).toMatchObject({ code: 0, signature: 'not checked' })
  })

  test('a key and an id are named, and anything else is an error', async () => {
    expect(await decode('a'.repeat(32))).toMatchObject({ code: 0, kind: expect.stringContaining('key') })
    expect(await decode('a'.repeat(40))).toMatchObject({ code: 0, kind: expect.stringContaining('id') })
    for (const text of ['hello', '{"cut":', 'a:b:c:d', '.eJx:1:2', 'AQ', '[1]']) {
      expect({ text, ...(await decode(text)) }).toMatchObject({ text, code: 1 })
    }
    expect(await decode(' ')).toMatchObject({ code: 2 })
  })

  test('the text may come from stdin, and is escaped for the terminal', async () => {
    const { out, code } = await sess(['decode', '-'], { stdin: '{"a":"\\u001b[31m\u202eb"}\n' })
    expect(code).toBe(0)
    expect(out).toContain('a JSON payload')
    expect(out).not.toContain('\u001b')
    expect(out).not.toContain('\u202e')
  })
})
