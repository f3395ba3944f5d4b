import { type ServerResponse, request as send } from 'node:http'
import { Readable } from 'node:stream'
import type { Session } from '@sess/core'

/**
 * Handlers made of random steps on Node's response, and what a client gets of one. The same steps run with a session and
 * without one: whatever differs beside the session's headers is a fault, or has to be explained.
 */
export const STEPS = [
  'set',
  'cycleKey',
  'clear',
  'flushSession',
  'save',
  'saveUnawaited',
  'write',
  'writeAwaited',
  'bigWrite',
  'end',
  'endWithBody',
  'pipe',
  'throw',
  'throw404',
  'redirect',
  'flushHeaders',
  'flush',
  'cork',
  'uncork',
  'status',
  'header',
  'turn',
  'abort',
] as const

export type Step = (typeof STEPS)[number]

/** Runs the steps. Without a session those of the session do nothing; one that comes after the head is let go. */
export async function runSteps(
  steps: readonly Step[],
  res: ServerResponse,
  session: Session | undefined,
  abort: () => void,
): Promise<void> {
  const change = async (run: (session: Session) => unknown): Promise<void> => {
    try {
      if (session) await run(session)
    } catch (error) {
      // What the page says: too late. Anything else is the handler's own end.
      if ((error as { code?: unknown }).code !== 'SESSION_COMMITTED') throw error
    }
  }
  let n = 0
  for (const step of steps) {
    n++
    switch (step) {
      case 'set':
        await change(session => session.set('n', n))
        break
      case 'cycleKey':
        await change(session => session.cycleKey())
        break
      case 'clear':
        await change(session => session.clear())
        break
      case 'flushSession':
        await change(session => session.flush())
        break
      case 'save':
        await change(session => session.save())
        break
      case 'saveUnawaited':
        session?.save()
        break
      case 'write':
        res.write(`<${n}>`)
        break
      case 'writeAwaited':
        await new Promise(resolve => res.write(`<${n}>`, resolve))
        break
      case 'bigWrite':
        res.write('x'.repeat(100_000))
        break
      case 'end':
        res.end()
        break
      case 'endWithBody':
        res.end(`</${n}>`)
        break
      case 'pipe':
        Readable.from([`<p${n}`, '>']).pipe(res)
        break
      case 'throw':
        throw handlerError()
      case 'throw404':
        throw handlerError(404)
      case 'redirect':
        res.writeHead(302, { location: '/elsewhere' }).end()
        break
      case 'flushHeaders':
        res.flushHeaders()
        break
      case 'flush':
        ;(res as { flush?: () => void }).flush?.()
        break
      case 'cork':
        res.cork()
        break
      case 'uncork':
        res.uncork()
        break
      case 'status':
        res.statusCode = 201
        break
      case 'header':
        res.setHeader('x-step', String(n))
        break
      case 'turn':
        await new Promise(resolve => setImmediate(resolve))
        break
      case 'abort':
        abort()
        await new Promise(resolve => setImmediate(resolve))
        break
    }
  }
}

function handlerError(status = 500): Error {
  // Error pages show the stack, which differs.
  return Object.assign(new Error('of the handler'), { status, expose: true, stack: 'Error: of the handler' })
}

export interface Outcome {
  /** `ended`, `cut` when the connection broke, `open` when nothing came for a while. */
  end: 'ended' | 'cut' | 'open'
  status: number | undefined
  headers: Record<string, unknown>
  body: string
}

const OF_SESSIONS = new Set(['set-cookie', 'vary', 'cache-control', 'date', 'etag'])

/** One request, given up after `patience` ms. */
export function outcomeOf(url: string, aborted: Promise<void>, patience: number): Promise<Outcome> {
  const outcome: Outcome = { end: 'open', status: undefined, headers: {}, body: '' }
  return new Promise(resolve => {
    const req = send(url, { agent: false, headers: { connection: 'close' } })
    const timer = setTimeout(() => done('open'), patience)
    const done = (end: Outcome['end']): void => {
      clearTimeout(timer)
      outcome.end = end
      resolve(outcome)
      req.destroy()
    }
    aborted.then(() => done('cut'))
    req.on('error', () => done('cut'))
    req.on('response', res => {
      outcome.status = res.statusCode
      for (const [name, value] of Object.entries(res.headers))
        if (!OF_SESSIONS.has(name)) outcome.headers[name] = value
      res.setEncoding('utf8')
      res.on('data', text => {
        outcome.body += text
      })
      res.on('error', () => done('cut'))
      res.on('end', () => done('ended'))
    })
    req.end()
  })
}

/** A generator of numbers from 0 to 1 that a seed repeats (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

export type Answered = Outcome & { events: string[] }

export interface Run {
  /** Asks an app that runs these steps for one response; `events` are the errors of its response. */
  ask(steps: readonly Step[], patience: number): Promise<Answered>
}

export interface Difference {
  steps: readonly Step[]
  bare: unknown
  held: unknown
}

/** What a handler can do after it began to answer that the framework makes an error of. */
const FAILS_LATE: ReadonlySet<Step> = new Set(['throw', 'throw404', 'redirect', 'header', 'flushHeaders'])
const BEGINS: ReadonlySet<Step> = new Set([
  'write',
  'writeAwaited',
  'bigWrite',
  'end',
  'endWithBody',
  'pipe',
  'redirect',
  'flushHeaders',
])

/**
 * Whether two outcomes are the same, as far as they have to be:
 *
 * - When the client leaves, how much it got before is a matter of time. The same where nothing ends the response.
 * - A write after the end is an `error` event in Node. A held response tells the write's callback alone, because an event
 *   that nobody hears ends the process.
 * - A pipe and somebody else (Koa, say) that write to one response: who is first is a matter of time.
 * - A pipe that goes on while a handler's failure waits for the commit begins the response before the error can.
 * - Frameworks destroy the connection, or leave it open, when a handler fails that has begun its response. A response
 *   that waits for its session has not left then, and so is cut where the other was just in time.
 */
function isSame(steps: readonly Step[], bare: Answered, held: Answered): boolean {
  if (steps.includes('abort')) return true
  if (bare.end === held.end && bare.end !== 'ended') return true
  const begun = steps.findIndex(step => BEGINS.has(step))
  const failsLate = begun >= 0 && steps.slice(begun + 1).some(step => FAILS_LATE.has(step))
  if (failsLate && bare.end === 'ended' && held.end === 'cut') return true
  const piped = steps.indexOf('pipe')
  if (piped >= 0 && steps.slice(piped + 1).some(step => step === 'throw' || step === 'throw404')) return true
  if (piped >= 0 && bare.events.length > 0) return true
  const unheard = (event: string): boolean => event !== 'ERR_STREAM_WRITE_AFTER_END'
  const asText = ({ events, ...outcome }: Answered): string =>
    JSON.stringify([outcome, events.filter(unheard)])
  return asText(bare) === asText(held)
}

/** Runs `count` random handlers on both apps, and returns what differs. */
export async function fuzz(
  bare: Run,
  held: Run,
  { count, seed, patience }: { count: number; seed: number; patience: number },
): Promise<Difference[]> {
  const random = seeded(seed)
  const suspects: (readonly Step[])[] = []
  const compare = async (steps: readonly Step[], patience: number): Promise<Difference | undefined> => {
    const [without, with_] = await Promise.all([bare.ask(steps, patience), held.ask(steps, patience)])
    return isSame(steps, without, with_) ? undefined : { steps, bare: without, held: with_ }
  }
  let left = count
  const work = async (): Promise<void> => {
    while (left-- > 0) {
      const length = 1 + Math.floor(random() * 7)
      const steps = Array.from({ length }, () => STEPS[Math.floor(random() * STEPS.length)]!)
      if (await compare(steps, patience)) suspects.push(steps)
    }
  }
  await Promise.all(Array.from({ length: 24 }, work))
  // Beside 23 others an answer may only have been late.
  const differences: Difference[] = []
  for (const steps of suspects) {
    const difference = await compare(steps, 3_000)
    if (difference) differences.push(difference)
  }
  return differences
}
