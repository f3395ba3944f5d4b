import { type Cell, costs, median } from './measure.ts'
import type { Results } from './results.ts'

/** A cell of the bench over HTTP: Sess beside a peer on the same framework. */
export interface Goal {
  framework: string
  scenario: string
  sess: string
  peer: string
  /** The share of the peer's session cost that Sess may have at the most. */
  atMost: number
}

/** A cell of the bench in one process: Sess beside the floor or a peer of the same run. */
export interface Limit {
  framework: string
  scenario: string
  sess: string
  peer: string
  /** The most that Sess may cost, as a multiple of what `peer` costs. */
  atMost: number
}

const MEMORY = 'Sess, memory'
const COOKIE = 'Sess, encrypted cookie'
const REDIS = 'Sess, Redis'
const FLOOR = 'the floor, Map'
const EXPRESS_SESSION = 'express-session, MemoryStore'
const CONNECT_REDIS = 'express-session, connect-redis'

/** Nowhere is Sess to be dearer than the best peer of a framework. */
function besidePeer(framework: string, sess: string, peer: string, scenarios: string[]): Goal[] {
  return scenarios.map(scenario => ({ framework, scenario, sess, peer, atMost: 1 }))
}

const ALL = ['untouched', 'read', 'write', 'new', 'read 4 KB', 'write 4 KB']
const SMALL = ['read', 'write', 'new']

export const GOALS: readonly Goal[] = [
  ...besidePeer('Express', MEMORY, EXPRESS_SESSION, ALL),
  ...besidePeer('Express', REDIS, CONNECT_REDIS, ALL),
  ...besidePeer('Express', COOKIE, 'cookie-session', SMALL),
  ...besidePeer('Koa', MEMORY, 'koa-session, Map', SMALL),
  ...besidePeer('Koa', COOKIE, 'koa-session, cookie', SMALL),
  ...besidePeer('h3', COOKIE, 'useSession, raw key', SMALL),
  ...besidePeer('Fastify', MEMORY, '@fastify/session, MemoryStore', ALL),
  ...besidePeer('Fastify', COOKIE, '@fastify/secure-session', SMALL),
  ...besidePeer('Hono', MEMORY, 'hono-sessions, MemoryStore', ALL),
  ...besidePeer('Hono', MEMORY, '@hono/session, Map', ALL),
  ...besidePeer('Hono', COOKIE, 'hono-sessions, CookieStore', SMALL),
  ...besidePeer('Hono', COOKIE, '@hono/session', SMALL),
  ...besidePeer('fetch', COOKIE, 'iron-session', SMALL),
]

/** On these frameworks the bench in one process has the goals of the one over HTTP. */
const IN_PROCESS = ['Fastify', 'Hono', 'fetch']

/** What the features may cost above a session that does the same work and has none of them. */
const ABOVE_FLOOR: Record<string, number> = {
  read: 1.5,
  write: 2,
  new: 1.5,
  'read 4 KB': 1.3,
  'write 4 KB': 1.5,
}

export const LIMITS: readonly Limit[] = [
  ...Object.entries(ABOVE_FLOOR).map(([scenario, atMost]) => ({
    framework: 'Express',
    scenario,
    sess: MEMORY,
    peer: FLOOR,
    atMost,
  })),
  ...ALL.map(scenario => ({
    framework: 'Express',
    scenario,
    sess: MEMORY,
    peer: EXPRESS_SESSION,
    atMost: 1,
  })),
  ...ALL.map(scenario => ({
    framework: 'Express',
    scenario,
    sess: REDIS,
    peer: CONNECT_REDIS,
    atMost: scenario === 'write' ? 0.9 : 1,
  })),
  ...GOALS.filter(({ framework }) => IN_PROCESS.includes(framework)),
]

/** Round trips to Redis at the most, for each request. */
export const ROUND_TRIPS: Record<string, number> = { read: 1, write: 2 }

/** Heap of a stored session, as a multiple of a `Map<id, string>`. */
export const HEAP = 1.6

export interface Verdict extends Goal {
  /** Microseconds, medians of the rounds. */
  sessCost: number
  peerCost: number
  share: number
  /** The least and the greatest share of any round. */
  spread: [number, number]
  met: boolean
}

export function judge(cells: readonly Cell[]): Verdict[] {
  return GOALS.flatMap(goal => {
    const { framework, scenario } = goal
    const ours = costs(cells, framework, goal.sess, scenario)
    const theirs = costs(cells, framework, goal.peer, scenario)
    if (ours.length === 0 || theirs.length === 0) return []
    const shares = ours.map((cost, round) => cost / theirs[round]!)
    const [sessCost, peerCost] = [median(ours), median(theirs)]
    const share = sessCost / peerCost
    const spread: [number, number] = [Math.min(...shares), Math.max(...shares)]
    return [{ ...goal, sessCost, peerCost, share, spread, met: share <= goal.atMost }]
  })
}

/** The goals that no cell has. */
export function judgeRest({
  redis,
  heap,
}: Results): { what: string; found: string; goal: string; met: boolean }[] {
  const trips = redis
    .filter(({ name, scenario }) => name === REDIS && scenario in ROUND_TRIPS)
    .map(({ scenario, sent }) => {
      const goal = ROUND_TRIPS[scenario]!
      return {
        what: `Redis round trips, ${scenario}`,
        found: String(sent),
        goal: `≤ ${goal}`,
        met: sent <= goal,
      }
    })
  const [floor, sess] = heap
  if (!floor || !sess) return trips
  const times = sess.bytes / floor.bytes
  const what = `heap of a stored session, beside ${floor.name}`
  return [...trips, { what, found: `${times.toFixed(2)} ×`, goal: `≤ ${HEAP} ×`, met: times <= HEAP }]
}
