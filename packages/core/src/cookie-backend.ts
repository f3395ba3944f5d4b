import type { Backend } from './backend.ts'
import type { ReceivedToken } from './cookie.ts'
import { report } from './hooks.ts'
import type { Settings } from './options.ts'
import { encodeRecord } from './record.ts'
import { persist } from './save.ts'
import type { SessionState } from './session-state.ts'
import type { CookieStore, SealContext, SessionRecord } from './store.ts'
import { type Deadline, type Task, wait } from './task.ts'

/** Keeps the session itself in the cookie, as a token that the cookie store seals and unseals. */
export function cookieBackend(store: CookieStore): Backend {
  const write = (state: SessionState, deadline: Deadline): Task<SessionRecord> => seal(store, state, deadline)
  return {
    hasRecords: false,
    splitsCookies: true,
    isKey: text => text !== '',
    isStored: ({ key }) => key !== null,
    freshKey: () => null,
    idOf: (_, key) => key as string,
    find: (state, deadline) => unseal(store, state, deadline.now),
    insert: write,
    insertWithKey: write,
    replace: write,
    rotate: write,
    extend,
    // The token is the session, and nobody else has a say in it.
    isLive: () => wait(true),
  }
}

function* seal(store: CookieStore, state: SessionState, deadline: Deadline): Task<SessionRecord> {
  const record = yield* encodeRecord(state, deadline.now)
  state.sealed(yield* wait(store.seal(record, contextOf(state.settings, deadline.now))))
  return record
}

function* extend(state: SessionState, deadline: Deadline): Task<boolean> {
  yield* persist(state, 'replace', deadline)
  return true
}

/**
 * Finds the session in the cookies. A whole cookie beside chunks is two tokens, of which one that verifies is used. If both
 * verify and have one subject, two responses to one browser crossed, and the session that lives longer is used.
 */
function* unseal(store: CookieStore, state: SessionState, now: number): Task<SessionRecord | undefined> {
  const { settings, lookup } = state
  const context = contextOf(settings, now)
  let best: SessionRecord | undefined
  let used: ReceivedToken | undefined
  for (const token of lookup.cookies.tokens) {
    // A token is not the beginning of another.
    if (used && used.names[0] === token.names[0]) break
    const record = yield* wait(store.unseal(token.text, context))
    if (!record) continue
    if (best && (record.subject === undefined || record.subject !== best.subject)) {
      lookup.tokensContested()
      report(settings, 'corrupt', undefined, { reason: 'cookie' })
      return
    }
    if (best && record.expiresAt <= best.expiresAt) continue
    best = record
    used = token
  }
  if (used) lookup.tokenFound(used)
  if (!used) report(settings, 'corrupt', undefined, { reason: 'token' })
  else if (lookup.strays[0]) report(settings, 'corrupt', undefined, { reason: 'cookie' })
  return best
}

function contextOf({ cookie, secrets }: Settings, now: number): SealContext {
  return { name: cookie.audience, secrets, now }
}
