import { difference } from './compare.ts'
import { ALL, type Difference } from './differences.ts'
import { Model } from './model.ts'
import { recordedClear, recordedExpiry, recordedMiddleware, recordedTrace } from './recorded.ts'
import { type Backend, type Recording, START, settingsOf } from './recordings.ts'
import { Raised, runClear, runExpiry, runMiddleware, runTrace, type Step, type World } from './script.ts'
import { SessWorld, type StoreUnderTest } from './sess.ts'
import { STORES } from './stores.ts'

export type Kind = 'trace' | 'expiry' | 'middleware' | 'clear'

const SCRIPTS: Record<Kind, (world: World<any>, recording: Recording) => Promise<Step[]>> = {
  trace: runTrace,
  expiry: runExpiry,
  middleware: runMiddleware,
  clear: runClear,
}

const RECORDED: Record<Kind, (recording: Recording) => Step[]> = {
  trace: recordedTrace,
  expiry: recordedExpiry,
  middleware: recordedMiddleware,
  clear: recordedClear,
}

export interface Verdict {
  /** The documented differences that account for it; none: equal to Django. */
  differences: Difference[]
  /** What nothing accounts for. */
  unexplained?: string
}

/**
 * Replays a case over Sess and judges the answer: it is Django's, or it differs by documented rules alone. Then the
 * model says as Django did without any of the rules, and as Sess did with all of them, so that between the two there is
 * nothing but the rules.
 */
export async function judge(kind: Kind, recording: Recording): Promise<Verdict> {
  const django = RECORDED[kind](recording)
  const mine: [string, Step[]][] = []
  for (const [name, make] of Object.entries(STORES[recording.input.backend ?? 'db']!))
    mine.push([name, await playSess(kind, recording, make(settingsOf(recording.input.settings)))])
  const unequal = mine.find(([, steps]) => difference(django, steps) !== undefined)
  if (!unequal) return { differences: [] }

  const all = await playModel(kind, recording, ALL)
  for (const [name, steps] of mine) {
    const found = difference(all.steps, steps)
    if (found)
      return {
        differences: [],
        unexplained: `Sess over ${name} is neither Django nor what docs/django.md promises.\n  promised: ${found}\n  Django: ${difference(django, steps)}`,
      }
  }
  const wrong = await modelError(kind, recording)
  if (wrong)
    return { differences: [], unexplained: `Without the differences the model is not Django.\n  ${wrong}` }

  const matters: Difference[] = []
  for (const one of all.met) {
    const others = new Set(ALL)
    others.delete(one)
    const { steps } = await playModel(kind, recording, others)
    if (difference(all.steps, steps) !== undefined) matters.push(one)
  }
  return { differences: matters.length > 0 ? matters : [...all.met] }
}

/** How the model of Django, without any of our rules, is not the Django of the recording; `undefined` if it is. */
export async function modelError(kind: Kind, recording: Recording): Promise<string | undefined> {
  const { steps } = await playModel(kind, recording, new Set())
  return difference(RECORDED[kind](recording), steps)
}

async function playSess(kind: Kind, recording: Recording, under: StoreUnderTest): Promise<Step[]> {
  const { backend = 'db', settings, now = START } = recording.input
  try {
    return await play(
      kind,
      recording,
      () => new SessWorld(backend as Backend, settingsOf(settings), now, under),
    )
  } finally {
    await under.close?.()
  }
}

async function playModel(
  kind: Kind,
  recording: Recording,
  differences: ReadonlySet<Difference>,
): Promise<{ steps: Step[]; met: Set<Difference> }> {
  const { backend = 'db', settings, now = START } = recording.input
  const met = new Set<Difference>()
  const steps = await play(
    kind,
    recording,
    () => new Model(backend as Backend, settingsOf(settings), now, differences, met),
  )
  return { steps, met }
}

/** The steps of a world; of one that refuses its settings, the refusal. */
async function play(kind: Kind, recording: Recording, make: () => World<any>): Promise<Step[]> {
  let world: World<any>
  try {
    world = make()
  } catch (error) {
    if (error instanceof Raised) return [{ refused: error.reason }]
    throw error
  }
  return SCRIPTS[kind](world, recording)
}
