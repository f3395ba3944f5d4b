import { memoryStore } from '@sess/conformance'
import fc from 'fast-check'
import { createSessions, type Session, type Store } from '../src/index.ts'

/** What one request of a random program does between load and commit. */
export type Op =
  | { op: 'set'; value: string }
  | { op: 'increment' }
  | { op: 'append' }
  | { op: 'push' }
  | { op: 'nest' }
  | { op: 'cycleKey' }
  | { op: 'flush' }
  | { op: 'logoutEverywhere' }
  | { op: 'save' }
  | { op: 'read' }

export const programs = fc.array(
  fc.array(
    fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({ op: fc.constant('set' as const), value: fc.constantFrom('x', 'y', 'z') }),
      },
      { weight: 3, arbitrary: fc.record({ op: fc.constant('increment' as const) }) },
      { weight: 3, arbitrary: fc.record({ op: fc.constant('append' as const) }) },
      { weight: 3, arbitrary: fc.record({ op: fc.constant('push' as const) }) },
      { weight: 2, arbitrary: fc.record({ op: fc.constant('nest' as const) }) },
      { weight: 3, arbitrary: fc.record({ op: fc.constant('cycleKey' as const) }) },
      { weight: 1, arbitrary: fc.record({ op: fc.constant('flush' as const) }) },
      { weight: 1, arbitrary: fc.record({ op: fc.constant('logoutEverywhere' as const) }) },
      { weight: 1, arbitrary: fc.record({ op: fc.constant('save' as const) }) },
      { weight: 1, arbitrary: fc.record({ op: fc.constant('read' as const) }) },
    ),
    { minLength: 1, maxLength: 4 },
  ),
  { minLength: 2, maxLength: 4 },
)

/** Options the model may turn: what breaks them must be found. */
export interface Variant {
  /** Wraps the store the engine writes to. */
  breakStore?: (store: Store) => Store
  saveEveryRequest?: boolean
}

interface Outcome {
  index: number
  ops: Op[]
  /** The session that the request saw at its first look was the seeded one. */
  sawSeed: boolean
  acknowledged: boolean
  /** Changes a `save()` of the request acknowledged before the commit. */
  saved: Op[]
  cookie: string | undefined
  error: unknown
}

/**
 * Runs the requests over one seeded session, each store call and each answer at a moment the scheduler chooses, and
 * throws when something was lost, revived or doubled.
 */
export async function checkProgram(
  program: Op[][],
  scheduler: fc.Scheduler,
  variant: Variant = {},
): Promise<void> {
  const backend = memoryStore()
  const now = 1_700_000_000_000
  let seed = 1
  const random = (size: number): Uint8Array => {
    // The jitter asks for one byte; none of its time is waited for.
    if (size === 1) return new Uint8Array(1)
    return Uint8Array.from({ length: size }, () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
      return seed >>> 16
    })
  }
  const options = {
    clock: () => now,
    random,
    timeout: 60_000,
    saveEveryRequest: variant.saveEveryRequest ?? false,
  }
  const direct = createSessions({ ...options, store: backend })
  const engine = createSessions({
    ...options,
    store: slowed(variant.breakStore ? variant.breakStore(backend) : backend, scheduler),
  })

  const first = direct.open()
  first.subject = 'ada'
  first.update({ seeded: true, n: 0, list: [], pushed: [], nested: {} })
  await direct.commit(first, { status: 200 })
  const oldCookie = `sessionid=${first.sessionKey}`

  const request = async (ops: Op[], index: number): Promise<Outcome> => {
    const outcome: Outcome = {
      index,
      ops,
      sawSeed: false,
      acknowledged: false,
      saved: [],
      cookie: undefined,
      error: undefined,
    }
    const session = engine.open(oldCookie)
    try {
      await session.load()
      outcome.sawSeed = session.get('seeded') === true
      for (const [step, op] of ops.entries()) {
        await act(session, op, `${index}.${step}`)
        if (op.op === 'save') outcome.saved = ops.slice(0, step)
      }
      const { setCookies } = await engine.commit(session, { status: 200 })
      outcome.cookie = /^sessionid=([a-z0-9]+)/.exec(setCookies[0] ?? '')?.[1]
      outcome.acknowledged = true
    } catch (error) {
      outcome.error = error
    }
    return outcome
  }
  const act = async (session: Session, op: Op, tag: string): Promise<void> => {
    if (op.op === 'set') session.set('scalar', op.value)
    else if (op.op === 'increment') session.update('n', (n = 0) => n + 1)
    else if (op.op === 'append') session.update('list', (list = []) => [...list, tag])
    else if (op.op === 'push') (session.get('pushed') ?? session.setDefault('pushed', [])).push(tag)
    else if (op.op === 'nest') (session.get('nested') ?? session.setDefault('nested', {}))[tag] = true
    else if (op.op === 'cycleKey') session.cycleKey()
    else if (op.op === 'flush') session.flush()
    else if (op.op === 'logoutEverywhere') await engine.removeBySubject('ada')
    else if (op.op === 'save') await session.save()
    else session.get('n')
  }

  const outcomes = await scheduler.waitFor(Promise.all(program.map(request)))

  const expected = ['SESSION_INTERRUPTED']
  for (const { error } of outcomes) {
    if (error && !expected.includes((error as { code: string }).code)) throw error
  }
  const live: Record<string, any>[] = []
  for await (const entry of backend.scan!({ now })) {
    const data = JSON.parse(entry.payload)
    if (!('_session_superseded' in data)) live.push(data)
  }
  const seeded = live.filter(data => data.seeded)
  const sum = (list: Outcome[], name: Op['op']): number =>
    list.reduce((total, { ops }) => total + ops.filter(({ op }) => op === name).length, 0)
  const assert = (holds: boolean, what: string): void => {
    if (!holds)
      throw new Error(
        `${what}: ${JSON.stringify({ live, outcomes: outcomes.map(({ error, ...rest }) => ({ ...rest, error: (error as Error)?.message })) })}`,
      )
  }

  assert(seeded.length <= 1, 'two records of one session')

  // Everything that ended the session, if only on the way to an error.
  const endings = outcomes.filter(
    ({ ops, acknowledged, sawSeed }) =>
      (acknowledged && sawSeed && ops.some(({ op }) => op === 'flush')) ||
      ops.some(({ op }) => op === 'logoutEverywhere'),
  )
  if (endings.some(({ acknowledged }) => acknowledged))
    assert(seeded.length === 0, 'alive after an acknowledged logout')
  const maybeEnded = outcomes.some(({ ops }) =>
    ops.some(({ op }) => op === 'flush' || op === 'logoutEverywhere'),
  )
  if (!maybeEnded) assert(seeded.length === 1, 'the session is lost')

  const rotations = outcomes.filter(
    ({ acknowledged, sawSeed, ops }) =>
      acknowledged &&
      sawSeed &&
      sum([{ ops } as Outcome], 'cycleKey') > 0 &&
      !ops.some(({ op }) => op === 'flush'),
  )
  assert(rotations.length <= 1 || maybeEnded, 'two rotations of one key were acknowledged')
  if (rotations.length > 0) {
    const replay = direct.open(oldCookie)
    await replay.load()
    assert(replay.get('seeded') === undefined, 'the old key still authenticates')
    const ends = await direct.commit(replay, { status: 200 })
    assert(
      maybeEnded || ends.setCookies.length === 0,
      'a late request with the old key deletes the new cookie',
    )
  }

  const [data] = seeded
  if (data) {
    const acknowledged = outcomes.filter(({ acknowledged, sawSeed }) => acknowledged && sawSeed)
    const partly = outcomes
      .filter(({ acknowledged, sawSeed }) => !acknowledged && sawSeed)
      .map(outcome => ({ ...outcome, ops: outcome.saved }))
    const stored = [...acknowledged, ...partly]
    assert(data.n === sum(stored, 'increment'), 'increments lost or doubled')
    const tags = (name: Op['op']): string[] =>
      stored.flatMap(({ ops, index }) =>
        ops.flatMap(({ op }, step) => (op === name ? [`${index}.${step}`] : [])),
      )
    assert(same(data.list, tags('append')), 'appends lost, doubled or refused ones stored')
    assert(same(data.pushed, tags('push')), 'pushes lost, doubled or refused ones stored')
    assert(same(Object.keys(data.nested), tags('nest')), 'nested keys lost or refused ones stored')
    const scalars = stored.flatMap(({ ops }) => ops.flatMap(op => (op.op === 'set' ? [op.value] : [])))
    assert(
      scalars.length === 0 ? data.scalar === undefined : scalars.includes(data.scalar),
      'a scalar nobody set',
    )
  }
}

function same(a: string[], b: string[]): boolean {
  return JSON.stringify([...a].sort()) === JSON.stringify([...b].sort())
}

/** Every call starts, and every answer arrives, when the scheduler says so. */
function slowed(store: Store, scheduler: fc.Scheduler): Store {
  const slow: Record<string, unknown> = {}
  for (const name of ['read', 'insert', 'replace', 'touch', 'remove', 'removeBySubject'] as const) {
    slow[name] = async (...args: unknown[]) => {
      await scheduler.schedule(Promise.resolve(), `${name} starts`)
      const answer = await (store[name] as (...args: unknown[]) => unknown).apply(store, args)
      await scheduler.schedule(Promise.resolve(), `${name} answers`)
      return answer
    }
  }
  return slow as unknown as Store
}
