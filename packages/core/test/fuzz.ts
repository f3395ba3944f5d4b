import { memoryStore } from '@sess/conformance'
import { encryptedCookieStore, signedCookieStore } from '@sess/store-cookie'
import { djangoCodec } from '../src/django.ts'
import { createSessions, type Session, type Sessions, type SessionsOptions } from '../src/index.ts'
import { rich } from '../src/rich.ts'

/** Numbers that look random and come again with their seed (mulberry32). */
export function numbers(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

const SECRET = 'a-secret-of-the-fuzz-run-0123456789'
const DJANGO = 'x'
const START = 1_700_000_000_000
const NATURE = shape()

/** Everything that is on Object.prototype and its kin; nothing fed to a session may change it. */
function shape(): string {
  return [Object, Array, Function, String, Number]
    .map(type => Object.getOwnPropertyNames(type.prototype).sort().join())
    .join('\n')
}

const PIECES = [
  '{',
  '}',
  '[',
  ']',
  ':',
  ',',
  '"',
  '\\',
  '\\u0000',
  '\\ud800',
  'null',
  'true',
  '-0',
  '1e999',
  '9'.repeat(30),
  '"__proto__"',
  '"constructor"',
  '"prototype"',
  '{"__proto__":{"isAdmin":true}}',
  '"toJSON"',
  '"then"',
  '"length"',
  '"_session_superseded"',
  '"_session_expiry"',
  '"_session_subject"',
  '"_session_created"',
  '"_session_flash"',
  '"2023-11-14T22:13:20+00:00"',
  '"2023-11-14"',
  '"x"',
  '"seeded"',
  '0',
  '1',
  '-1',
  ' ',
  '\n',
  '\0',
  '\ud83d\ude00',
  '\ud800',
  'sessionid',
  'sessionid=',
  'sessionid.0=',
  'sessionid.1=',
  'SESSIONID=',
  '=',
  ';',
  '; ',
  '%',
  '%20',
  '"',
  '\t',
  '.',
  '..',
  '/',
  '*',
  'a'.repeat(32),
  'unknownkey0000000000000000000000',
  'e30',
  'e30:1r31eq:',
  '.eJw',
  ':',
  '-',
  '_',
]

interface Target {
  sessions: Sessions
  /** A cookie header that opens a session in which `seeded` is true. */
  header: string
  /** Puts this text where the session's payload was; absent where the cookie is all there is. */
  plant?: (payload: string) => void
  payload: string
}

/** One engine of every kind, each with one real session. */
export async function targets(): Promise<Target[]> {
  const list: Target[] = []
  const add = async (options: Partial<SessionsOptions>): Promise<void> => {
    let planted: string | undefined
    const inner = memoryStore()
    const store = options.store ?? {
      ...inner,
      read: (...args: Parameters<typeof inner.read>) => {
        const record = inner.read(...args) as { payload: string } | null
        return (record && planted !== undefined ? { ...record, payload: planted } : record) as ReturnType<
          typeof inner.read
        >
      },
    }
    const sessions = createSessions({ clock: () => START, ...options, store })
    const session = sessions.open()
    session.update({ seeded: true, cart: [{ id: 'a', n: 1 }], name: 'é\ud83d\ude00' })
    session.subject = 'ada'
    const { setCookies } = await sessions.commit(session, { status: 200 })
    const target: Target = {
      sessions,
      header: setCookies.map(line => line.split(';')[0]).join('; '),
      payload: '',
    }
    if (!options.store) {
      for await (const { payload } of inner.scan!({ now: START })) target.payload = payload
      target.plant = payload => {
        planted = payload
      }
    }
    list.push(target)
  }
  await add({})
  await add({ codec: rich() })
  await add({ codec: djangoCodec({ secret: DJANGO, clock: () => START }), hashKeys: false })
  await add({ store: encryptedCookieStore(), secret: SECRET })
  await add({ store: signedCookieStore(), secret: SECRET })
  await add({ store: signedCookieStore({ django: true }), secret: SECRET })
  return list
}

/** Text near `text`, or made of pieces that mean something to some parser. */
export function altered(text: string, random: (below: number) => number): string {
  const piece = (): string => PIECES[random(PIECES.length)]!
  let result = random(4) === 0 ? '' : text
  for (let edits = 1 + random(4); edits > 0; edits--) {
    const [from, to] = [random(result.length + 1), random(result.length + 1)].sort((a, b) => a - b) as [
      number,
      number,
    ]
    const insert = random(3) === 0 ? String.fromCharCode(random(random(2) ? 128 : 65_536)) : piece()
    result = result.slice(0, from) + (random(5) === 0 ? '' : insert) + result.slice(random(2) ? to : from)
    if (random(50) === 0) result = result.repeat(2 + random(20))
    if (result.length > 20_000) result = result.slice(0, 20_000)
  }
  return result
}

/** One request with something that nobody made: throws when it crashes, is believed, or leaves a trace. */
export async function attack(target: Target, random: (below: number) => number): Promise<void> {
  const plants = target.plant && random(2) === 0
  const text = altered(plants ? target.payload : target.header, random)
  const header = plants ? target.header : text
  try {
    target.plant?.(plants ? text : target.payload)
    const session = target.sessions.open(header)
    await session.load()
    look(session)
    if (!plants && session.get('seeded') === true && !names(header, target.header))
      throw new Error('a forged cookie was believed')
    if (random(3) === 0) session.set('touched', random(9))
    if (random(9) === 0 && !session.has('seeded')) session.cycleKey()
    const result = await target.sessions.commit(session, { status: 200 })
    for (const line of result.setCookies) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
      if (/[\u0000-\u001f\u007f-\uffff]/.test(line)) throw new Error('a Set-Cookie that is no header')
    }
  } catch (error) {
    // If the payload says that its expiry is nonsense, or that it is a marker, an error is right.
    if (!['SESSION_DATA', 'SESSION_INTERRUPTED'].includes((error as { code: string }).code)) {
      throw new Error(`${JSON.stringify(text)}: ${(error as Error).message}`, { cause: error })
    }
  }
  if (({} as { isAdmin?: unknown }).isAdmin !== undefined || shape() !== NATURE)
    throw new Error(`${JSON.stringify(text)} reached a prototype`)
}

/** Whether the altered header still has each of the real cookies, untouched, among its pairs. */
function names(header: string, real: string): boolean {
  const pairs = header.split(';').map(pair =>
    pair
      .replace(/^[ \t]+|[ \t]+$/g, '')
      .replace(/[ \t]*=[ \t]*"?/, '=')
      .replace(/"$/, ''),
  )
  return real.split('; ').every(pair => pairs.includes(pair))
}

/** Whatever a handler may look at. */
function look(session: Session): void {
  session.toJSON()
  Object.entries(session.data)
  for (const [key] of session) session.has(key)
  session.get('__proto__')
  session.flash('notice')
  session.subject
  session.createdAt
}
