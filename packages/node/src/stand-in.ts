import type { IncomingMessage, ServerResponse } from 'node:http'
import { type CommitResult, SessionCommittedError } from '@sess/core'
import { answerError } from './answer-error.ts'
import type { Commit, OnRefused } from './gate.ts'
import { addSessionHeaders } from './headers.ts'
import type { Method } from './methods.ts'

/** What is said of a session whose response cannot wait. */
export interface StandInSession {
  commit: Commit
  /** What would be lost if nobody committed: `pending` of `@sess/core/adapter`. */
  pending: () => 'changes' | 'cookie' | undefined
}

/**
 * Whether `holdResponse` can hold a response. Stand-ins lack methods that it needs: the one that Socket.IO gives its
 * middleware for an upgrade, `{}` in older recipes for it, those of unit tests (node-mocks-http).
 */
export function canHold(res: object): boolean {
  const { getHeaderNames, flushHeaders, on } = res as Partial<ServerResponse>
  return [getHeaderNames, flushHeaders, on].every(method => typeof method === 'function')
}

/**
 * Looks after a session whose response cannot be held. It is opened and loaded, and its changes need `await
 * session.save()`; the cookie of a new key is set when the stand-in's head leaves.
 *
 * Changes that are not saved when a response leaves refuse it: `onRefused` gets a SessionCommittedError (500), or
 * the caller where the stand-in says that its headers are sent. After an
 * upgrade, and where there is no response at all, the session stays open for the life of the connection; changes that
 * are not saved at its end are a process warning, because no request is there any more to fail.
 *
 * @example
 * if (canHold(res)) holdResponse(res, commit, onRefused)
 * else watchStandIn(req, res, { commit, pending: () => pending(session) }, error => answerError(res, error))
 */
export function watchStandIn(
  req: IncomingMessage,
  res: ServerResponse,
  { commit, pending }: StandInSession,
  onRefused: OnRefused = error => answerError(res, error),
): void {
  const methods = res as unknown as Record<string, Method | undefined>
  const { writeHead, write, end } = methods
  const isUpgrade = (req as { upgrade?: boolean }).upgrade === true
  const outlivesHead = isUpgrade || !end
  const heads = Object.entries({ writeHead, write, end }).filter(([, method]) => method)
  const ownMethods = Object.fromEntries(heads)

  const sendHead = (): boolean => {
    Object.assign(res, ownMethods)
    const left = pending()
    if (left === 'changes') {
      // A mock that has kept the body already cannot be refused any more: its test hears of it.
      if (res.headersSent) throw unsaved()
      // What the handler still writes is not part of the answer.
      onRefused(unsaved())
      for (const [name] of heads) methods[name] = () => name !== 'write' && res
      return false
    }
    // After an upgrade it may still be changed and saved.
    if (outlivesHead && !left) return true
    const committed = commit(res.statusCode ?? 200)
    // A promise can only be about the session's expiry, which a commit extends if it can.
    if ('then' in committed) committed.then(undefined, () => undefined)
    else addHeaders(res, committed)
    return true
  }
  for (const [name, method] of heads) {
    methods[name] = (...args) => {
      if (sendHead()) return (method as Method).apply(res, args)
      return name === 'write' ? false : res
    }
  }
  if (outlivesHead) {
    req.socket?.once('close', () => {
      if (pending()) process.emitWarning(unsaved())
    })
  }
}

function addHeaders(res: ServerResponse, committed: CommitResult): void {
  if (typeof res.setHeader === 'function' && typeof res.getHeader === 'function')
    addSessionHeaders(res, committed)
}

function unsaved(): SessionCommittedError {
  return new SessionCommittedError(
    'The session has changes that nobody saved, and its response cannot wait (a WebSocket or a stand-in). Call `await session.save()`.',
  )
}
