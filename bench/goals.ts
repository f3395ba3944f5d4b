import { type Cell, costs, median } from './measure.ts'
import type { Results } from './results.ts'

/** What Sess is to cost at the most, as a share of what a peer costs on the same framework in the same run. */
export interface Goal {
  framework: string
  scenario: string
  sess: string
  peer: string
  atMost: number
}

const MEMORY = 'Sess, memory'
const COOKIE = 'Sess, encrypted cookie'
const REDIS = 'Sess, Redis'

function goals(framework: string, sess: string, peer: string, atMost: Record<string, number>): Goal[] {
  return Object.entries(atMost).map(([scenario, share]) => ({
    framework,
    scenario,
    sess,
    peer,
    atMost: share,
  }))
}

export const GOALS: readonly Goal[] = [
  ...goals('Express', MEMORY, 'express-session, MemoryStore', {
    untouched: 0.2,
    read: 0.15,
    write: 0.3,
    new: 0.25,
    'read 4 KB': 0.2,
    'write 4 KB': 0.3,
  }),
  ...goals('Koa', MEMORY, 'koa-session, Map', { read: 0.1, write: 0.15 }),
  ...goals('Express', COOKIE, 'cookie-session', { read: 0.25, write: 0.25 }),
  ...goals('Koa', COOKIE, 'koa-session, cookie', { read: 0.25, write: 0.25 }),
  ...goals('h3', COOKIE, 'useSession, raw key', { read: 0.25, write: 0.25 }),
  ...goals('h3', COOKIE, 'useSession, password', { read: 1 / 200, write: 1 / 200 }),
  ...goals('Express', REDIS, 'express-session, connect-redis', { read: 0.6, write: 1 }),
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
