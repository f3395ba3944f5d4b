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
  const verdict: Verdict = { differences: [] }
  for (const [name, make] of Object.entries(STORES[recording.input.backend ?? 'db']!)) {
    const under = make(settingsOf(recording.input.settings))
    const mine = await playSess(kind, recording, under)
    const found = difference(django, mine)
    if (found === undefined) continue

    const promised = await playModel(kind, recording, ALL, under.deadIdsAreTaken)
    const broken = difference(promised.steps, mine)
    if (broken !== undefined) {
      verdict.unexplained = `Sess over ${name} is neither Django nor what docs/django.md promises.\n  promised: ${broken}\n  Django: ${found}`
      return verdict
    }
    // What one store shows, the others show, too.
    if (verdict.differences.length === 0)
      verdict.differences = await whatMatters(kind, recording, promised, under.deadIdsAreTaken)
  }
  const wrong = verdict.differences.length > 0 && (await modelError(kind, recording))
  if (wrong) verdict.unexplained = `Without the differences the model is not Django.\n  ${wrong}`
  return verdict
}

/** Those of the differences that it met without which the answer would be another. */
async function whatMatters(
  kind: Kind,
  recording: Recording,
  promised: Played,
  deadIdsAreTaken: boolean | undefined,
): Promise<Difference[]> {
  const matters: Difference[] = []
  for (const one of promised.met) {
    const others = new Set(ALL)
    others.delete(one)
    const { steps } = await playModel(kind, recording, others, deadIdsAreTaken)
    if (difference(promised.steps, steps) !== undefined) matters.push(one)
  }
  return matters.length > 0 ? matters : [...promised.met]
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

interface Played {
  steps: Step[]
  met: Set<Difference>
}

async function playModel(
  kind: Kind,
  recording: Recording,
  differences: ReadonlySet<Difference>,
  deadIdsAreTaken = true,
): Promise<Played> {
  const { backend = 'db', settings, now = START } = recording.input
  const met = new Set<Difference>()
  const steps = await play(
    kind,
    recording,
    () => new Model(backend as Backend, settingsOf(settings), now, { differences, met, deadIdsAreTaken }),
  )
  return { steps, met }
}

/** Returns the steps of a world. If the world rejects its settings, the only step is that error. */
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
