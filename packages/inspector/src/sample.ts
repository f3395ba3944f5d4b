import type { SessionView } from '@sess/core/inspect'

/** What the overview shows of the first sessions of the store. */
export interface Sample {
  examined: number
  /** `false`: there are more sessions than were looked at. */
  isComplete: boolean
  bytes: number
  largest: number
  unreadable: number
  withoutSubject: number
  /** Sessions that are as large, and as old, as each class of the overview. */
  sizes: number[]
  ages: number[]
  unknownAge: number
  subjects: [subject: string, sessions: number][]
}

const KIB = 1_024
const HOUR = 3_600_000
const DAY = 24 * HOUR

/** The classes of sizes (bytes) and ages (milliseconds): each is below its limit, and not below the one before. */
export const SIZES: readonly (readonly [name: string, below: number])[] = [
  ['under 256 B', 256],
  ['under 1 KiB', KIB],
  ['under 4 KiB', 4 * KIB],
  ['under 16 KiB', 16 * KIB],
  ['16 KiB and more', Number.POSITIVE_INFINITY],
]
export const AGES: readonly (readonly [name: string, below: number])[] = [
  ['under 1 hour', HOUR],
  ['under 1 day', DAY],
  ['under 1 week', 7 * DAY],
  ['under 30 days', 30 * DAY],
  ['older', Number.POSITIVE_INFINITY],
]

/** Sessions that the overview looks at, at the most, and milliseconds that it takes for it: it should be there at once. */
const SAMPLED = 10_000
const SAMPLE_TIME = 400
/** Subjects that are counted. The rest are only seen as being more. */
const COUNTED_SUBJECTS = 10_000
const TOP_SUBJECTS = 5

/** The figures of the overview, of as many sessions as can be looked at in a moment. */
export async function sampleOf(views: AsyncIterable<SessionView>, now: number): Promise<Sample> {
  const started = performance.now()
  const sample: Sample = {
    examined: 0,
    isComplete: true,
    bytes: 0,
    largest: 0,
    unreadable: 0,
    withoutSubject: 0,
    sizes: SIZES.map(() => 0),
    ages: AGES.map(() => 0),
    unknownAge: 0,
    subjects: [],
  }
  const subjects = new Map<string, number>()
  for await (const { bytes, createdAt, subject, problem } of views) {
    if (sample.examined >= SAMPLED || performance.now() - started > SAMPLE_TIME) {
      sample.isComplete = false
      break
    }
    sample.examined += 1
    sample.bytes += bytes
    sample.largest = Math.max(sample.largest, bytes)
    if (problem !== undefined) sample.unreadable += 1
    sample.sizes[SIZES.findIndex(([, below]) => bytes < below)]! += 1
    if (createdAt === undefined) sample.unknownAge += 1
    else sample.ages[AGES.findIndex(([, below]) => now - createdAt < below)]! += 1
    if (subject === undefined) sample.withoutSubject += 1
    else if (subjects.has(subject) || subjects.size < COUNTED_SUBJECTS) {
      subjects.set(subject, (subjects.get(subject) ?? 0) + 1)
    }
  }
  sample.subjects = [...subjects]
    .filter(([, count]) => count > 1)
    .sort((a, b) => b[1] - a[1])
    .slice(0, TOP_SUBJECTS)
  return sample
}
