import { pending as pendingOf } from './commit.ts'
import { type Session, stateOf } from './session.ts'

/**
 * What of a session would be lost if nobody called `commit`, for adapters whose response cannot wait for it: `'changes'`
 * that are not saved, or the `'cookie'` of a key that is new. `undefined` when there is nothing, and after a commit.
 *
 * @example
 * if (pending(session) === 'changes') throw new Error('Call `await session.save()`.')
 */
export function pending(session: Session<any>): 'changes' | 'cookie' | undefined {
  return pendingOf(stateOf(session))
}
