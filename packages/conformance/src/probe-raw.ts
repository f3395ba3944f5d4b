import type { ServerResponse } from 'node:http'
import type { Sessions } from '@sess/core'
import type { ProbeAnswer, ProbeRoute } from './probe-routes.ts'

/** What probe apps respond with that ignore a member of `ProbeAnswer`. */
export const ignores = (member: keyof ProbeAnswer): string => `the probe app does nothing with \`${member}\``

/** What an app with raw routes keeps for all its visitors. */
interface Kept {
  /** How many callbacks of `write` and `end` were called without an error. */
  callbacks: number
  /** The headers that its responses have, in every form that `node:http` takes. They are always the same objects. */
  object: Record<string, string | string[]>
  flat: string[]
}

const keptBy = new WeakMap<Sessions, Kept>()

const newKept = (): Kept => ({
  callbacks: 0,
  object: {
    'Content-Type': 'text/plain',
    'X-Own': 'yes',
    Vary: ['Accept', 'Origin'],
    'Set-Cookie': ['theme=dark; Path=/', 'lang=en; Path=/'],
  },
  flat: [
    ...['Content-Type', 'text/plain', 'X-Own', 'yes', 'Vary', 'Accept', 'Vary', 'Origin'],
    ...['Set-Cookie', 'theme=dark; Path=/', 'Set-Cookie', 'lang=en; Path=/'],
  ],
})

/** Sends the head of a response as `as` says. */
function writeHead(res: ServerResponse, status: number, as: string | null, { object, flat }: Kept): void {
  if (as === 'flat') res.writeHead(status, flat)
  else if (as === 'message') res.writeHead(status, 'As I Say', object)
  else if (as === 'set') {
    res.statusCode = status
    for (const [name, value] of Object.entries(object)) res.setHeader(name, value)
  } else res.writeHead(status, object)
}

/** The pieces of `/raw-encodings`: the text `✓üé.`, in four encodings. */
const PIECES: readonly [chunk: string | Uint8Array, encoding: BufferEncoding][] = [
  ['4pyT', 'base64'],
  ['c3bc', 'hex'],
  ['Ã©', 'latin1'],
  ['.', 'utf8'],
]

/** Writes the pieces, the last one by `end`: one after the callback of the other, or all at once. */
async function writeEncoded(res: ServerResponse, isAwaited: boolean, kept: Kept): Promise<void> {
  res.statusCode = 200
  const pieces = PIECES.map(([chunk, encoding], index) => {
    const write = () =>
      new Promise<void>((resolve, reject) => {
        const called = (error?: Error | null): void => {
          if (!error) kept.callbacks += 1
          error ? reject(error) : resolve()
        }
        if (index === PIECES.length - 1) res.end(chunk, encoding, called)
        else res.write(chunk, encoding, called)
      })
    return write
  })
  if (isAwaited) for (const write of pieces) await write()
  else await Promise.all(pieces.map(write => write()))
}

const pause = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))

/**
 * The routes whose handlers write the response of `node:http` themselves.
 *
 * @param set sets `k`, if the query has it
 */
export function rawRoutes(
  sessions: Sessions,
  set: (...args: Parameters<ProbeRoute['run']>) => void,
): ProbeRoute[] {
  const kept = keptBy.get(sessions) ?? newKept()
  keptBy.set(sessions, kept)
  const route = (
    path: string,
    respond: (res: ServerResponse, change: () => void, query: URLSearchParams) => void | Promise<void>,
  ): ProbeRoute => ({
    method: 'POST',
    path,
    run: (session, query) => ({
      status: 501,
      headers: [],
      body: ignores('raw'),
      raw: res => respond(res, () => set(session, query), query),
    }),
  })
  return [
    route('/raw', (res, change, query) => {
      if (query.has('k')) change()
      writeHead(res, Number(query.get('status') ?? 200), query.get('as'), kept)
      res.write('written ')
      res.end('by hand')
    }),
    route('/raw-flush-headers', async (res, change, query) => {
      change()
      writeHead(res, 200, query.get('as'), kept)
      res.flushHeaders()
      await pause(1_000)
      res.end('the first event')
    }),
    route('/raw-encodings', (res, change, query) => {
      change()
      return writeEncoded(res, query.has('awaited'), kept)
    }),
    {
      method: 'GET',
      path: '/raw-callbacks',
      run: () => ({ status: 200, headers: [], body: String(kept.callbacks) }),
    },
    route('/raw-early-hints', async (res, change) => {
      res.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' })
      res.writeProcessing()
      // A login that takes a moment, after the browser was told what it will need.
      await pause(20)
      change()
      res.writeHead(200, { 'Content-Type': 'text/plain' }).end('logged in')
    }),
    route('/raw-late', (res, change) => {
      setTimeout(() => {
        res.statusCode = 200
        try {
          change()
          res.end('saved')
        } catch (error) {
          res.end(String((error as { code?: unknown }).code))
        }
      }, 20)
    }),
  ]
}
