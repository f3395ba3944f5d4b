import type { HeapUse } from './heap.ts'
import type { LostUpdates } from './lost-updates.ts'
import type { Cell } from './measure.ts'
import type { RedisTraffic } from './redis-traffic.ts'

/** All that a run has found. */
export interface Results {
  machine: {
    /** When it ran, ISO. */
    at: string
    node: string
    cpu: string
    cores: number
    /** Of the last minute, before and after: above the number of cores somebody else was working. */
    load: [before: number, after: number]
    loader: string
    rounds: number
    seconds: number
  }
  cells: Cell[]
  lost: LostUpdates[]
  redis: RedisTraffic[]
  heap: HeapUse[]
}
