import { createHash, createHmac, hkdfSync } from 'node:crypto'
import type { CookieStore, MaybePromise, SealContext, SessionRecord } from '@sess/core'
import { referenceCookieStore } from './reference-cookie-store.ts'

/** A cookie store with one plausible mistake. */
export interface BrokenCookieStore {
  id: string
  make(): CookieStore
}

type Body = [payload: string, expiresAt: number, subject?: string]

const right = referenceCookieStore()

/** The reference with its arguments or results changed. */
function altered(change: Partial<CookieStore>): () => CookieStore {
  return () => ({ ...right, ...change })
}

/** A signed store whose parts can be got wrong one by one. */
interface SignedParts {
  encode(text: string): string
  decode(text: string): string
  /** What is signed, of the token's body and the context. */
  signed(body: string, context: SealContext): string
  sign(text: string, secret: string): string
  same(a: string, b: string): boolean
  separator: string
}

const sound: SignedParts = {
  encode: text => Buffer.from(text).toString('base64url'),
  decode: text => Buffer.from(text, 'base64url').toString(),
  signed: (body, { name }) => `${name}.${body}`,
  sign: (text, secret) => createHmac('sha256', secret).update(text).digest('base64url'),
  same: (a, b) => a === b,
  separator: '.',
}

function signed(wrong: Partial<SignedParts>): () => CookieStore {
  const parts = { ...sound, ...wrong }
  return () => ({
    seal({ payload, expiresAt, subject }, context) {
      const body = parts.encode(JSON.stringify([payload, expiresAt, subject]))
      return body + parts.separator + parts.sign(parts.signed(body, context), context.secrets[0] ?? '')
    },
    unseal(token, context) {
      const at = token.lastIndexOf(parts.separator)
      if (at < 0) return null
      const [body, signature] = [token.slice(0, at), token.slice(at + parts.separator.length)]
      const good = context.secrets.some(secret =>
        parts.same(parts.sign(parts.signed(body, context), secret), signature),
      )
      return good ? recordOf(parts.decode(body), context.now) : null
    },
  })
}

function recordOf(text: string, now: number): SessionRecord | null {
  try {
    const [payload, expiresAt, subject] = JSON.parse(text) as Body
    return expiresAt > now
      ? { payload, expiresAt, ...(typeof subject === 'string' ? { subject } : {}) }
      : null
  } catch {
    return null
  }
}

/** The reference with the record changed before it is sealed. */
function garbled(change: (record: SessionRecord) => SessionRecord): () => CookieStore {
  return altered({ seal: (record, context) => right.seal(change(record), context) })
}

/** The reference with a token changed before it is unsealed. */
function lenient(change: (token: string) => string): () => CookieStore {
  return altered({ unseal: (token, context) => right.unseal(change(token), context) })
}

function keyedBy(change: (context: SealContext) => Partial<SealContext>): () => CookieStore {
  return altered({
    seal: (record, context) => right.seal(record, { ...context, ...change(context) }),
    unseal: (token, context) => right.unseal(token, { ...context, ...change(context) }),
  })
}

async function unsealed(found: MaybePromise<SessionRecord | null>) {
  return await found
}

export const brokenCookieStores: readonly BrokenCookieStore[] = [
  { id: 'the subject is lost', make: garbled(({ subject: _, ...record }) => record) },
  {
    id: 'the expiry in whole seconds',
    make: garbled(record => ({ ...record, expiresAt: Math.floor(record.expiresAt / 1_000) * 1_000 })),
  },
  {
    id: 'the expiry in 32 bits of seconds',
    make: garbled(record => ({
      ...record,
      expiresAt: ((record.expiresAt / 1_000) | 0) * 1_000 + (record.expiresAt % 1_000),
    })),
  },
  {
    id: 'no expiry means for ever',
    make: garbled(record => ({ ...record, expiresAt: record.expiresAt > 0 ? record.expiresAt : 9e15 })),
  },
  {
    id: 'a lifetime of its own',
    make: altered({
      seal: (record, context) => right.seal({ ...record, expiresAt: context.now + 3_600_000 }, context),
    }),
  },
  {
    id: 'expiry is the browser’s business',
    make: altered({ unseal: (token, context) => right.unseal(token, { ...context, now: 0 }) }),
  },
  {
    id: 'good at the millisecond of expiresAt',
    make: altered({ unseal: (token, context) => right.unseal(token, { ...context, now: context.now - 1 }) }),
  },
  {
    id: 'Date.now() instead of `now`',
    make: altered({ unseal: (token, context) => right.unseal(token, { ...context, now: Date.now() }) }),
  },
  {
    id: 'the payload is cut at 4096 characters',
    make: garbled(record => ({ ...record, payload: record.payload.slice(0, 4_096) })),
  },
  {
    id: 'the payload as latin1',
    make: garbled(record => ({ ...record, payload: record.payload.replace(/[^\0-\xff]/g, '?') })),
  },
  { id: 'the payload is trimmed', make: garbled(record => ({ ...record, payload: record.payload.trim() })) },
  {
    id: 'the payload is parsed',
    make: garbled(record => ({ ...record, payload: JSON.stringify(JSON.parse(record.payload)) })),
  },
  {
    id: 'writes into the record it is given',
    make: altered({
      seal(record, context) {
        Object.assign(record, { sealedAt: context.now })
        return right.seal(record, context)
      },
    }),
  },
  {
    id: 'a cache that hands out its own object',
    make: () => {
      const cache = new Map<string, SessionRecord | null>()
      return {
        ...right,
        async unseal(token, context) {
          if (!cache.has(token)) cache.set(token, await right.unseal(token, context))
          return cache.get(token) ?? null
        },
      }
    },
  },
  {
    id: 'a key derived once, for the first secret',
    make: () => {
      let first: readonly string[] | undefined
      return {
        ...right,
        seal(record, context) {
          first ??= context.secrets
          return right.seal(record, { ...context, secrets: first })
        },
        unseal: (token, context) => right.unseal(token, { ...context, secrets: first ?? context.secrets }),
      }
    },
  },
  {
    id: 'a cache of derived keys by name',
    make: () => {
      const keys = new Map<string, readonly string[]>()
      const kept = ({ name, secrets }: SealContext) => {
        if (!keys.has(name)) keys.set(name, secrets)
        return { secrets: keys.get(name) ?? secrets }
      }
      return keyedBy(kept)()
    },
  },
  {
    id: 'plain base64, which has signs that a cookie may not hold',
    make: altered({
      async seal(record, context) {
        return `"${Buffer.from(await right.seal(record, context), 'base64url').toString('base64')}"`
      },
      unseal(token, context) {
        const inner = /^"([^"]*)"$/.exec(token)?.[1] ?? ''
        const bytes = Buffer.from(inner, 'base64')
        return bytes.toString('base64') === inner ? right.unseal(bytes.toString('base64url'), context) : null
      },
    }),
  },
  {
    id: 'the token as JSON',
    make: () => ({
      seal: async (record, context) => JSON.stringify({ t: await right.seal(record, context) }),
      unseal: (token, context) => {
        const at = /^\{"t":"([^"]*)"\}$/.exec(token)
        return right.unseal(at?.[1] ?? '', context)
      },
    }),
  },
  {
    id: 'hexadecimal of base64',
    make: altered({
      async seal(record, context) {
        return Buffer.from(await right.seal(record, context)).toString('hex')
      },
      unseal(token, context) {
        const text = Buffer.from(token, 'hex').toString()
        return Buffer.from(text).toString('hex') === token ? right.unseal(text, context) : null
      },
    }),
  },
  {
    id: 'throws for a bad token',
    make: altered({
      async unseal(token, context) {
        const found = await unsealed(right.unseal(token, context))
        if (!found) throw new Error('bad token')
        return found
      },
    }),
  },
  {
    id: 'throws for a token that is too short',
    make: altered({
      unseal(token, context) {
        if (Buffer.from(token, 'base64url').length < 16)
          throw new RangeError('Invalid authentication tag length')
        return right.unseal(token, context)
      },
    }),
  },
  {
    id: 'undecodable tokens are read without a key',
    make: altered({
      async unseal(token, context) {
        const found = await right.unseal(token, context)
        return (
          found ??
          recordOf(token.startsWith('{') ? JSON.stringify(Object.values(JSON.parse(token))) : '', context.now)
        )
      },
    }),
  },
  {
    id: 'work that grows with the square of the token',
    make: altered({
      unseal(token, context) {
        const until = performance.now() + Math.min(3.5e-8 * token.length ** 2, 350)
        while (performance.now() < until);
        return right.unseal(token, context)
      },
    }),
  },
  {
    id: 'base64 that is not checked to be canonical',
    make: lenient(token => Buffer.from(token, 'base64url').toString('base64url')),
  },
  { id: 'blanks around the token are cut', make: lenient(token => token.trim()) },
  { id: 'padding at the end is ignored', make: lenient(token => token.replace(/=+$/, '')) },
  {
    id: 'only the first part counts',
    make: () => ({
      seal: async (record, context) => `${await right.seal(record, context)}.1`,
      unseal: (token, context) => right.unseal(token.split('.')[0] ?? '', context),
    }),
  },
  {
    id: 'a version in front that nobody checks',
    make: () => ({
      seal: async (record, context) => `v1.${await right.seal(record, context)}`,
      unseal: (token, context) => right.unseal(token.slice(3), context),
    }),
  },
  {
    id: 'one character of the signature is not compared',
    make: signed({ same: (a, b) => a.length === b.length && a.startsWith(b.slice(0, -1)) }),
  },
  { id: 'a signature is compared as far as it goes', make: signed({ same: (a, b) => a.startsWith(b) }) },
  {
    id: 'the signature without regard to case',
    make: signed({ same: (a, b) => a.toLowerCase() === b.toLowerCase() }),
  },
  { id: 'no signature at all', make: signed({ same: () => true }) },
  {
    id: 'the expiry is not signed',
    make: () => ({
      async seal(record, context) {
        return `${await right.seal({ ...record, expiresAt: 9e15 }, context)}.${record.expiresAt}`
      },
      async unseal(token, context) {
        const [inner = '', expiry = '', ...more] = token.split('.')
        const found = await right.unseal(inner, context)
        if (!found || more.length > 0 || !/^-?[1-9]?[0-9]+$/.test(expiry)) return null
        return Number(expiry) > context.now ? { ...found, expiresAt: Number(expiry) } : null
      },
    }),
  },
  { id: 'the name is not signed', make: keyedBy(() => ({ name: '' })) },
  { id: 'the name without regard to case', make: keyedBy(({ name }) => ({ name: name.toLowerCase() })) },
  {
    id: 'the name is glued to the body',
    make: signed({
      signed: (body, { name }) => name + body,
      encode: text => Buffer.from(text).toString('hex'),
      decode: text => {
        const hex = /^(?:[a-z]*?)((?:[0-9a-f]{2})+)$/.exec(text)?.[1] ?? ''
        return Buffer.from(hex.slice(Math.max(0, hex.indexOf('5b22'))), 'hex').toString()
      },
    }),
  },
  { id: 'the secret is not used', make: keyedBy(() => ({ secrets: ['always the same'] })) },
  {
    id: 'only the first 32 characters of the secret count',
    make: keyedBy(({ secrets }) => ({ secrets: secrets.map(secret => secret.slice(0, 32)) })),
  },
  {
    id: 'a digest of name, body and secret by length',
    make: signed({
      sign: (text, secret) =>
        createHash('sha256')
          .update(text + secret.length)
          .digest('base64url'),
    }),
  },
  {
    id: 'the last secret seals',
    make: altered({
      seal: (record, context) => right.seal(record, { ...context, secrets: [...context.secrets].reverse() }),
    }),
  },
  {
    id: 'only the first secret unseals',
    make: altered({
      unseal: (token, context) => right.unseal(token, { ...context, secrets: context.secrets.slice(0, 1) }),
    }),
  },
  {
    id: 'only two secrets unseal',
    make: altered({
      unseal: (token, context) => right.unseal(token, { ...context, secrets: context.secrets.slice(0, 2) }),
    }),
  },
  {
    id: 'a retired secret is remembered',
    make: () => {
      const known = new Set<string>()
      const all = ({ secrets }: SealContext) => {
        for (const secret of secrets) known.add(secret)
        return { secrets: [...secrets, ...known] }
      }
      return keyedBy(all)()
    },
  },
  {
    id: 'extending does not change the token',
    make: () => {
      const tokens = new Map<string, string>()
      return {
        ...right,
        async seal(record, context) {
          const key = `${context.secrets[0]} ${context.name} ${record.payload}`
          const token = tokens.get(key) ?? (await right.seal(record, context))
          tokens.set(key, token)
          return token
        },
      }
    },
  },
  {
    id: 'a keystream that repeats, so that bits can be flipped',
    make: () => ({
      seal({ payload, expiresAt, subject }, { name, secrets }) {
        const text = Buffer.from(JSON.stringify([payload, expiresAt, subject]))
        const stream = Buffer.from(hkdfSync('sha256', secrets[0] ?? '', '', name, 32))
        return Buffer.from(text.map((byte, at) => byte ^ (stream[at % 32] ?? 0))).toString('base64url')
      },
      unseal(token, { name, secrets, now }) {
        const bytes = Buffer.from(token, 'base64url')
        if (bytes.toString('base64url') !== token) return null
        for (const secret of secrets) {
          const stream = Buffer.from(hkdfSync('sha256', secret, '', name, 32))
          const found = recordOf(
            Buffer.from(bytes.map((byte, at) => byte ^ (stream[at % 32] ?? 0))).toString(),
            now,
          )
          if (found) return found
        }
        return null
      },
    }),
  },
]
