import { memoryStore } from '@sess/conformance'
import type { Store, StoredRecord } from '@sess/core'
import fc from 'fast-check'
import { movingStore } from '../src/index.ts'
import { Mover } from '../src/mover.ts'
import { placeholderNonce } from '../src/receipt.ts'

/** One process does one thing. `dies`: after so many calls to a store it is killed, before or after the call acts. */
export interface Act {
  does: 'old-save' | 'old-logout' | 'old-read' | 'new-save' | 'new-logout' | 'new-read' | 'carry'
  dies: { at: number; acts: boolean } | undefined
  /** How many turns of the scheduler it lets pass before it begins. */
  waits: number
}

export interface Variant {
  /** The new site: on `movingStore`, or on the new store alone while the command runs. */
  newSite: 'moving' | 'plain'
  Carrier?: typeof Mover
}

export const programs = fc.array(
  fc.record({
    does: fc.constantFrom(
      'old-save',
      'old-logout',
      'old-read',
      'new-save',
      'new-logout',
      'new-read',
      'carry',
      'carry',
    ),
    waits: fc.nat({ max: 12 }),
    dies: fc.option(fc.record({ at: fc.integer({ min: 1, max: 12 }), acts: fc.boolean() }), {
      nil: undefined,
    }),
  }) as fc.Arbitrary<Act>,
  { minLength: 1, maxLength: 7 },
)

const ID = 'a'.repeat(40)
const EXPIRES = 4_000_000_000_000

class Killed extends Error {}

/** The store as one process has it: each call happens when the scheduler says so, unless the process is dead. */
function asProcess(store: Store, scheduler: fc.Scheduler, left: { calls: number; acts: boolean }): Store {
  const call = async <T>(run: () => T | PromiseLike<T>): Promise<T> => {
    await scheduler.schedule(Promise.resolve())
    left.calls -= 1
    if (left.calls < 0 || (left.calls === 0 && !left.acts)) throw new Killed()
    const result = await run()
    if (left.calls === 0) throw new Killed()
    return result
  }
  return {
    read: (...args) => call(() => store.read(...args)),
    insert: (...args) => call(() => store.insert(...args)),
    replace: (...args) => call(() => store.replace(...args)),
    touch: (...args) => call(() => store.touch(...args)),
    remove: (...args) => call(() => store.remove(...args)),
  }
}

/** What the engine does with a session that it finds: nothing with a marker, which a placeholder looks like. */
async function find(store: Store): Promise<StoredRecord | null> {
  const record = await store.read(ID)
  return record && placeholderNonce(ID, record.payload) === undefined ? record : null
}

async function save(store: Store, value: string): Promise<boolean> {
  for (;;) {
    const record = await find(store)
    if (!record) return false
    const payload = JSON.stringify([...(JSON.parse(record.payload) as string[]), value])
    const outcome = await store.replace(ID, { payload, expiresAt: EXPIRES }, record.version)
    if (outcome !== 'stale') return outcome === 'ok'
  }
}

async function logout(store: Store): Promise<boolean> {
  for (;;) {
    const record = await find(store)
    if (!record) return false
    const outcome = await store.remove(ID, record.version)
    if (outcome !== 'stale') return true
  }
}

/** Runs the program in the scheduler's order, and throws if a promise is broken. */
export async function checkProgram(program: Act[], scheduler: fc.Scheduler, variant: Variant): Promise<void> {
  const [old, fresh] = [memoryStore(), memoryStore()]
  const { Carrier = Mover } = variant
  await old.insert(ID, { payload: '[]', expiresAt: EXPIRES })

  let logoutsBegun = 0
  let logoutsDone = 0
  const saved = { old: [] as string[], new: [] as string[] }
  const violations: string[] = []

  const run = async ({ does, dies, waits }: Act, at: number): Promise<void> => {
    const left = { calls: dies?.at ?? Number.POSITIVE_INFINITY, acts: dies?.acts ?? true }
    const [from, to] = [asProcess(old, scheduler, left), asProcess(fresh, scheduler, left)]
    const site = variant.newSite === 'moving' ? movingStore({ from, to }) : to
    for (let turn = 0; turn <= waits; turn++) await scheduler.schedule(Promise.resolve())
    const wasOver = logoutsDone > 0
    switch (does) {
      case 'carry':
        await new Carrier({ from, to }).carry(ID)
        break
      case 'old-save':
      case 'new-save': {
        const side = does === 'old-save' ? 'old' : 'new'
        if (await save(side === 'old' ? from : site, String(at))) {
          saved[side].push(String(at))
          if (wasOver && variant.newSite === 'moving') violations.push(`${does} saved after a logout`)
        }
        break
      }
      case 'old-logout':
      case 'new-logout': {
        logoutsBegun += 1
        if (await logout(does === 'old-logout' ? from : site)) logoutsDone += 1
        break
      }
      case 'old-read': {
        const before = [...saved.new]
        const found = await find(from)
        const items = found ? (JSON.parse(found.payload) as string[]) : undefined
        if (variant.newSite === 'moving' && items && !before.every(value => items.includes(value))) {
          violations.push('the old site does not see a save of the new one')
        }
        break
      }
      case 'new-read': {
        const found = await find(site)
        if (variant.newSite === 'plain') break
        if (found && wasOver) violations.push('the new site reads the session after a logout')
        if (!found && logoutsBegun === 0) violations.push('the new site does not find the session')
      }
    }
  }

  const all = Promise.all(
    program.map((act, at) =>
      run(act, at).catch(error => {
        if (!(error instanceof Killed)) throw error
      }),
    ),
  )
  await scheduler.waitFor(all)

  const carrier = new Carrier({ from: old, to: fresh })
  for (let walk = 0; walk < 2; walk++) await carrier.carry(ID)
  const [a, b] = [await old.read(ID), await fresh.read(ID)]
  if (a?.payload !== b?.payload) violations.push(`the stores differ: ${a?.payload} and ${b?.payload}`)
  if (logoutsDone > 0 && (a || b)) violations.push('a logout was undone')
  if (logoutsBegun === 0 && (!a || !b)) violations.push('the session is lost')
  const final = b ? (JSON.parse(b.payload) as string[]) : undefined
  const mustBeThere =
    saved.new.length > 0 || program.some(({ does }) => does === 'new-save') ? saved.new : saved.old
  if (final && !mustBeThere.every(value => final.includes(value))) {
    violations.push(`a save is lost: ${mustBeThere} became ${final}`)
  }
  if (violations.length > 0) throw new Error(violations.join('; '))
}
