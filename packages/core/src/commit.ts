import { endSession } from './end.ts'
import { endIfRemoved } from './ended-elsewhere.ts'
import { collectFacts, collectMutations } from './facts.ts'
import { warnOfForgottenProxy } from './forgotten-proxy.ts'
import { absoluteLimit, expiresAt } from './lifetime.ts'
import { load, openLoaded } from './load.ts'
import { isIdle, type Plan, planCommit } from './plan.ts'
import {
  type CommitResult,
  clearOldCookies,
  clearStrayCookies,
  hasOldCookies,
  hasStrayCookies,
  isSecure,
  mustEndOldSessions,
  type ResponseInfo,
  withClearSiteData,
  withCookies,
  withoutCookies,
} from './response.ts'
import { persist } from './save.ts'
import type { SessionState } from './session-state.ts'
import type { MaybePromise } from './store.ts'
import { type Deadline, deadlineOf, isPromise, runTask, type Task, wait } from './task.ts'

/**
 * Ends the request for its session: collects the facts, plans, and carries the plan out. Synchronous where there is
 * nothing to do. A second call has no effect. It returns the first result, or an empty result if the first call failed.
 */
export function commit(state: SessionState, response: ResponseInfo): MaybePromise<CommitResult> {
  if (state.committed) return state.outcome ?? state.commitEnded(withoutCookies(state))
  endIfRemoved(state)
  state.commitBegun(response)
  const deadline = deadlineOf(state.settings)
  // A save that is under way, or a load, can change the facts. Then the task plans, after waiting for it.
  const mustWait = state.saving || mustOpen(state)
  const plan = mustWait ? undefined : planNow(state, response.status, deadline.now)
  if (plan && isIdle(plan) && !hasStrayCookies(state) && !hasOldCookies(state))
    return state.commitEnded(withClearSiteData(state, withoutCookies(state)))
  const outcome = runTask(state.settings, () => carryOut(state, plan, response, deadline), deadline)
  if (isPromise(outcome)) {
    outcome.then(
      result => state.commitEnded(result),
      () => state.commitEnded(undefined),
    )
  }
  return state.commitEnded(outcome)
}

/**
 * What would be lost if no commit followed: changes that are not saved, or the cookie of a key that is new. For adapters
 * whose response cannot wait for a commit.
 */
export function pendingOf(state: SessionState): 'changes' | 'cookie' | undefined {
  if (state.committed) return
  if (state.saving) return 'changes'
  const { remove, save } = planNow(state, 200, undefined)
  if (remove || mustEndOldSessions(state) || save !== 'none') return 'changes'
  return state.keyToSend ? 'cookie' : undefined
}

/** When the session ends if nothing more happens after this request, in ms since the epoch. */
export function endsAt(state: SessionState, now: number): number {
  const { settings, changes, endBefore, endWritten } = state
  const stored = endWritten ?? endBefore
  if (!stored || planNow(state, 200, now).save !== 'none') return expiresAt(state, now)
  return Math.min(stored, absoluteLimit(settings, changes!.data))
}

function planNow(state: SessionState, status: number, now: number | undefined): Plan {
  // A response of 500 or more saves nothing, so mutations do not matter.
  if (status < 500) collectMutations(state)
  return planCommit(collectFacts(state, status, now))
}

/** The data was not accessed, but the session may have to be extended, or `modified` was set by hand. */
function mustOpen({ changes, key, isActivity, settings, lookup, mustSave }: SessionState): boolean {
  const isNeeded = mustSave || lookup.isAdopted || (isActivity && settings.touchAfter !== undefined)
  return !changes && key !== null && isNeeded
}

function* carryOut(
  state: SessionState,
  planned: Plan | undefined,
  response: ResponseInfo,
  deadline: Deadline,
): Task<CommitResult> {
  const plan = planned ?? (yield* waitAndPlan(state, response.status, deadline))
  if (!plan) return withoutCookies(state)
  const result = yield* carryOutPlan(state, plan, response, deadline)
  const cleared = hasStrayCookies(state) ? clearStrayCookies(state, response, result) : result
  return withClearSiteData(state, hasOldCookies(state) ? clearOldCookies(state, response, cleared) : cleared)
}

/** `undefined`: nothing but an extension was to be done, and the store is down. The `storeError` hook has got the error. */
function* waitAndPlan(state: SessionState, status: number, deadline: Deadline): Task<Plan | undefined> {
  // The caller of `save()` gets its error.
  if (state.saving) yield* wait(Promise.allSettled([state.saving]))
  if (mustOpen(state)) {
    yield* wait(load(state))
    if (state.lookup.failed && !state.mustSave) return
    openLoaded(state)
  }
  return planNow(state, status, deadline.now)
}

function* carryOutPlan(
  state: SessionState,
  { remove, save, cookie }: Plan,
  response: ResponseInfo,
  deadline: Deadline,
): Task<CommitResult> {
  // It may throw, so it is called before anything is stored. Otherwise a stored key would get no cookie.
  const secure = cookie === 'none' ? undefined : isSecure(response)
  if (remove || mustEndOldSessions(state)) yield* endSession(state, deadline)
  if (save === 'extend') {
    if (!(yield* state.settings.backend.extend(state, deadline))) return withoutCookies(state)
  } else if (save !== 'none') yield* persist(state, save, deadline)
  if (cookie === 'none') return withoutCookies(state)
  if (cookie === 'send') {
    state.takeBackKeyNotStored()
    if (!state.confirmed && !(yield* state.settings.backend.isLive(state, deadline)))
      return withoutCookies(state)
  }
  if (!state.lookup.carrier) warnOfForgottenProxy(state.settings, secure, response.target)
  return withCookies(state, cookie, secure, deadline.now)
}
