import { createHmac, timingSafeEqual } from 'node:crypto'
import { type BadSignatureError, COOKIE_SALT, loadJson, STORE_SALT } from '@sess/core/django'
import { isoMoment, isSecret, jsonReady, moment, printable } from '@sess/core/inspect'
import { encryptedCookieStore, signedCookieStore } from '@sess/store-cookie'
import { type Console, note, say, sayJson, styled } from '../console.ts'
import { type ExitCode, Failure, MISUSED, WRONG } from '../failure.ts'
import { parseObject, unsignedJson } from '../payload.ts'
import { printableLines } from '../printable-lines.ts'

export interface DecodeOptions {
  secret?: string[]
  cookieName?: string
  reveal?: boolean
  json?: boolean
}

/** What was found in a text. */
interface Found {
  /** What the text is. */
  kind: string
  /** `undefined`: there is nothing to check, or no secret to check it with. */
  signature?: 'good' | 'bad' | 'not checked' | undefined
  facts?: Record<string, string | undefined>
  data?: Record<string, unknown>
  /** What the user might want to know next. */
  hint?: string
}

/** Says what is in a payload or a cookie. `-` reads the text from stdin. */
export async function decode(console: Console, given: string, options: DecodeOptions): Promise<ExitCode> {
  const text = cookieValue((given === '-' ? await readAll(console) : given).trim())
  if (text === '') throw new Failure(MISUSED, 'There is no text to decode. Give a cookie value or a payload.')
  const found = await recognise(text, options)
  if (found === undefined) {
    throw new Failure(
      WRONG,
      'That is no text we know: not JSON, not a cookie of Sess, of Django or of express-session. Was it cut off?',
    )
  }
  const { kind, signature, facts = {}, hint } = found
  const ready = found.data && jsonReady(found.data)
  const data = options.reveal ? ready : found.data && jsonReady(found.data, isSecret)
  if (options.json) {
    sayJson(console, { kind, signature, ...facts, data }, 2)
  } else {
    const shown = { is: kind, signature, ...facts }
    for (const [name, value] of Object.entries(shown)) {
      if (value !== undefined) say(console, `${styled(console, 'bold', name.padEnd(10))} ${printable(value)}`)
    }
    if (data !== undefined) {
      say(console)
      say(console, printableLines(JSON.stringify(data, null, 2)))
    }
    if (JSON.stringify(data) !== JSON.stringify(ready)) {
      note(console, 'Values that look secret are masked. --reveal shows them.')
    }
  }
  if (hint) note(console, hint)
  return signature === 'bad' ? WRONG : 0
}

/** The value of what may be a `Cookie` or `Set-Cookie` line with one cookie, percent-decoded. */
function cookieValue(text: string): string {
  const bare = text.replace(/^(set-)?cookie:\s*/i, '').replace(/^[\w.-]+=(?=[^=])(.*?)(;.*)?$/s, '$1')
  const value = /^[[{]/.test(text) ? text : bare.replace(/^"(.*)"$/, '$1')
  if (!/%[0-9a-f]{2}/i.test(value) || /^[[{]/.test(value)) return value
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}

async function recognise(text: string, options: DecodeOptions): Promise<Found | undefined> {
  if (text.startsWith('{')) return payload(text)
  if (text.startsWith('s:')) return expressSession(text, options)
  if (/^[0-9a-z]{32}$/.test(text)) {
    return { kind: 'a session key of Sess or Django', hint: '`sess show KEY` looks it up in a store.' }
  }
  if (/^[0-9a-f]{40}$/.test(text)) {
    return { kind: 'the id of a session', hint: '`sess show ID` looks it up in a store.' }
  }
  return (await cookieOfSess(text, options)) ?? (await signedByDjango(text, options))
}

function payload(text: string): Found | undefined {
  try {
    return { kind: 'a JSON payload', data: parseObject(text) }
  } catch {
    return undefined
  }
}

/** `s:<id>.<HMAC-SHA256 of the id, base64>` (the package cookie-signature). It holds the id alone. */
function expressSession(text: string, { secret = [] }: DecodeOptions): Found | undefined {
  const dot = text.lastIndexOf('.')
  if (dot < 3) return undefined
  const id = text.slice(2, dot)
  const given = Buffer.from(text.slice(dot + 1))
  const good = secret.some(each => {
    const expected = Buffer.from(createHmac('sha256', each).update(id).digest('base64').replace(/=+$/, ''))
    return expected.length === given.length && timingSafeEqual(expected, given)
  })
  return {
    kind: 'a cookie of express-session',
    signature: secret.length === 0 ? 'not checked' : good ? 'good' : 'bad',
    facts: { id },
    hint: 'It holds the id alone. The data is in the store of express-session.',
  }
}

// The first byte of a token of `@sess/core/crypto` says which kind it is.
const ENCRYPTED = 1
const SIGNED = 2

async function cookieOfSess(text: string, options: DecodeOptions): Promise<Found | undefined> {
  if (!/^[\w-]+(\.[\w-]+\.[\w-]+)?$/.test(text)) return undefined
  const parts = text.split('.')
  const [format] = Buffer.from(parts[0]!, 'base64url')
  const isSigned = parts.length === 3 && format === SIGNED
  const isEncrypted = parts.length === 1 && format === ENCRYPTED && text.length > 40
  if (!isSigned && !isEncrypted) return undefined
  const kind = isSigned ? 'a signed cookie session of Sess' : 'an encrypted cookie session of Sess'
  const { secret = [], cookieName = 'sessionid' } = options
  if (secret.length === 0) {
    if (isEncrypted) throw new Failure(MISUSED, `It is ${kind}. Give its secret in SESS_SECRET to open it.`)
    // `<expiry>[ <subject>]\n<payload>`: anybody may read it.
    const [head = '', body = ''] = Buffer.from(parts[1]!, 'base64url')
      .toString()
      .split(/\n(.*)/s)
    const data = payload(body)?.data
    return {
      kind,
      signature: 'not checked',
      facts: { expires: moment(Number(head.split(' ')[0])) },
      ...(data && { data }),
    }
  }
  const store = isSigned ? signedCookieStore() : encryptedCookieStore()
  // A time long ago, so that an expired cookie can be looked into, too.
  const record = await store.unseal(text, { name: cookieName, secrets: secret, now: 0 })
  if (record === null) {
    return {
      kind,
      signature: 'bad',
      hint: `It was made with another secret, or for another cookie than "${cookieName}" (--cookie-name).`,
    }
  }
  const data = payload(record.payload)?.data
  return {
    kind,
    signature: 'good',
    facts: {
      expires: `${isoMoment(record.expiresAt)}${record.expiresAt <= Date.now() ? ', expired' : ''}`,
      subject: record.subject,
    },
    ...(data && { data }),
    ...(!data && { hint: 'The payload is no JSON: another codec wrote it.' }),
  }
}

/** `session_data` of Django's table, or its signed_cookies backend: the same form under two salts. */
async function signedByDjango(text: string, { secret = [] }: DecodeOptions): Promise<Found | undefined> {
  let json: string
  try {
    json = unsignedJson(text)
  } catch {
    return undefined
  }
  const [first, ...fallbacks] = secret
  const kinds: [salt: string, kind: string][] = [
    [STORE_SALT, "session data of Django's database"],
    [COOKIE_SALT, "a cookie of Django's signed_cookies"],
  ]
  const facts = { signed: signedAt(text) }
  const data = payload(json)?.data
  if (first === undefined) {
    return { kind: 'session data signed by Django', signature: 'not checked', facts, ...(data && { data }) }
  }
  for (const [salt, kind] of kinds) {
    try {
      await loadJson(text, { secret: first, fallbacks, salt })
      return { kind, signature: 'good', facts, ...(data && { data }) }
    } catch (error) {
      if ((error as BadSignatureError).code !== 'BAD_SIGNATURE') throw error
    }
  }
  return {
    kind: 'session data signed by Django',
    signature: 'bad',
    facts,
    ...(data && { data }),
    hint: 'It was signed with another SECRET_KEY, or changed. Do not believe what is in it.',
  }
}

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** When it was signed: the middle part, seconds in base 62. */
function signedAt(text: string): string {
  const stamp = text.split(':')[1] ?? ''
  let seconds = 0
  for (const digit of stamp) seconds = seconds * 62 + DIGITS.indexOf(digit)
  return moment(seconds * 1000)
}

async function readAll({ stdin }: Console): Promise<string> {
  let text = ''
  for await (const chunk of stdin) text += chunk
  return text
}
