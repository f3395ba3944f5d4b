import { deflateSync, inflateSync } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import {
  BadSignatureError,
  djangoCodec,
  dumps,
  type LoadOptions,
  loads,
  SignatureExpiredError,
} from '../../src/django.ts'
import { SessionDataError } from '../../src/errors.ts'
import { isOurFolder, rawCases } from './recordings.ts'
import { toJavaScript } from './values.ts'

interface Outcome {
  value?: unknown
  raises?: string
}
interface EncodeCase {
  id: string
  input: {
    secret: string
    salt: string
    payload: unknown
    compress: boolean
    now: number
    algorithm?: string
  }
  expect: { json: string; compressed: boolean; timestamp: string; encoded: string; raises?: string }
  expect_52?: { unsupported?: unknown }
  js_bytes_differ?: boolean
}
interface DecodeExpect {
  loads: Outcome
  session_decode?: Outcome
  cookie_session?: { items: Outcome }
  unsupported?: unknown
}
interface DecodeCase {
  id: string
  input: {
    encoded: string
    secret: string
    salt: string
    now: number
    max_age?: number | { $timedelta: number } | null
    fallbacks?: string[]
  }
  expect: DecodeExpect
  expect_52?: DecodeExpect
}

const encodeCases = rawCases<EncodeCase>('signing_encode.json')
const decodeCases = rawCases<DecodeCase>('signing_decode.json')

/** What a fixed encoding says: body inflated if need be, the timestamp, whether it is compressed. */
function takeApart(encoded: string) {
  const [body = '', stamp = '', signature = ''] = encoded.split(':')
  const compressed = body.startsWith('.')
  const bytes = Buffer.from(compressed ? body.slice(1) : body, 'base64url')
  return { json: (compressed ? inflateSync(bytes) : bytes).toString('latin1'), stamp, signature, compressed }
}

const counts = { same: 0, packed: 0, differ: 0, refused: 0 }
const read = { equal: 0, broken: 0 }

describe('signing_encode.json: what Django wrote is what we write', () => {
  if (encodeCases.length === 0) test('cases', ({ skip }) => skip('this folder has none'))
  for (const { id, input, expect: expected, expect_52, js_bytes_differ } of encodeCases) {
    // SHA-1 signatures: Django stopped writing them in 3.1 and reading them in 4.0.
    const gone = expect_52?.unsupported !== undefined || input.algorithm !== undefined
    test(id, async () => {
      const { secret, salt, compress } = input
      const now = input.now * 1000
      if (expected.raises) {
        await expect(
          (async () => dumps(toJavaScript(input.payload), { secret, salt, compress, now }))(),
        ).rejects.toThrow(SessionDataError)
        counts.refused++
        return
      }
      if (gone) {
        counts.refused++
        await expect((async () => loads(expected.encoded, { secret, salt, now }))()).rejects.toThrow(
          BadSignatureError,
        )
        return
      }
      const payload = toJavaScript(input.payload)
      const theirs = await loads(expected.encoded, { secret, salt, now })
      const encoded = await dumps(payload, { secret, salt, compress, now })
      expect(await loads(encoded, { secret, salt, now })).toStrictEqual(theirs)
      const mine = takeApart(encoded)
      expect(mine.stamp).toBe(expected.timestamp)
      if (js_bytes_differ) {
        counts.differ++
        return
      }
      expect(theirs).toStrictEqual(payload)
      expect(mine.json).toBe(expected.json)
      if (expected.compressed || mine.compressed) {
        // Other zlib, other bytes; at the very threshold also another decision.
        counts.packed++
        const length = deflateSync(mine.json).length
        expect(mine.compressed).toBe(length < mine.json.length - 1)
      } else {
        counts.same++
        expect(encoded).toBe(expected.encoded)
      }
    })
  }
})

const OURS: Record<string, () => unknown> = {
  BadSignature: () => BadSignatureError,
  SignatureExpired: () => SignatureExpiredError,
}

describe('signing_decode.json: what Django reads is what we read', () => {
  if (decodeCases.length === 0) test('cases', ({ skip }) => skip('this folder has none'))
  for (const { id, input, expect: recorded, expect_52 } of decodeCases) {
    const expected = expect_52 ?? recorded
    const { encoded, secret, salt, fallbacks } = input
    const age = input.max_age
    const maxAge = typeof age === 'object' && age !== null ? age.$timedelta : age
    const options: LoadOptions = { secret, salt, fallbacks, now: input.now * 1000, maxAge }
    test(id, async () => {
      const loaded = (async () => loads(encoded, options))()
      if (expected.loads.raises) {
        const known = OURS[expected.loads.raises]?.() ?? SessionDataError
        await expect(loaded).rejects.toSatisfy(error => (error as Error).constructor === known)
      } else {
        expect(await loaded).toStrictEqual(toJavaScript(expected.loads.value))
      }
      if (expected.session_decode) {
        const decoded = (async () => djangoCodec({ secret, salt, fallbacks }).decode(encoded))()
        const { value } = expected.session_decode
        const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
        // Django hands a list or a number on, and fails later; and it makes an empty session of what is broken: so does
        // the engine with our error.
        const readable = isObject && !expected.loads.raises
        const expired = expected.loads.raises === 'SignatureExpired'
        if (readable || expired) expect(await decoded).toStrictEqual(toJavaScript(value))
        else await expect(decoded).rejects.toThrow()
        if (!isObject && value !== undefined) {
          read.broken++
          return
        }
      }
      read.equal++
    })
  }
})

if (isOurFolder) {
  test('every case is there', () => {
    expect([encodeCases.length, decodeCases.length]).toEqual([161, 282])
  })
}

afterAll(() => {
  console.log(
    `signing_encode.json: ${encodeCases.length} cases, ${sum(counts)} as Django: ${counts.same} byte for byte, ` +
      `${counts.packed} compressed, ${counts.differ} with JSON that JavaScript spells otherwise, ` +
      `${counts.refused} refused\n` +
      `signing_decode.json: ${decodeCases.length} cases, ${read.equal} as Django, ` +
      `${read.broken} by a documented difference (json-data: signed, and not an object)`,
  )
})

function sum(numbers: Record<string, number>): number {
  return Object.values(numbers).reduce((total, number) => total + number, 0)
}
