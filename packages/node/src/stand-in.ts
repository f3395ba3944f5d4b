import type { IncomingMessage, ServerResponse } from 'node:http'
import { type CommitResult, SessionCommittedError } from '@sess/core'
import type { Commit, OnFailure } from './gate.ts'
import { addSessionHeaders } from './headers.ts'
import type { Method } from './methods.ts'
import { sendError } from './send-error.ts'

/** What `watchStandIn` needs to know of the session. */
export interface StandInSession {
  commit: Commit
  /** What would be lost without a commit: `pending(session)` of `@sess/core/adapter`. */
  pending: () => 'changes' | 'cookie' | undefined
}

/**
 * Whether `holdResponse` can hold a response. Stand-ins for a response lack methods that it needs. Examples are the
 * response that Socket.IO gives its middleware for an upgrade, the `{}` of older recipes, and mocks of unit tests.
 * express-ws makes a `ServerResponse` for an upgrade, but without a socket, so nothing of it is ever sent.
 *
 * @param res a response, or an object in its place
 * @param req its request, to notice an upgrade
 * @example
 * if (canHold(res, req)) holdResponse(res, commit, error => sendError(res, error))
 */
export function canHold(res: object, req?: object): boolean {
  const { getHeaderNames, flushHeaders, on, socket } = res as Partial<ServerResponse>
  if ((req as { upgrade?: boolean } | undefined)?.upgrade === true && !socket) return false
  return [getHeaderNames, flushHeaders, on].every(method => typeof method === 'function')
}

/**
 * Watches a session whose response cannot be held. Such a session can be opened and loaded. Its changes need
 * `await session.save()`, and the cookie of a new key is set when the head of the stand-in is written.
 *
 * Changes that are not saved by then are an error, SessionCommittedError (500). `onFailure` gets it, or the caller if the
 * stand-in says that its headers are sent.
 *
 * After an upgrade, or without any response, the session stays open as long as the connection. Changes that are not saved
 * at its end are a process warning, because no request is left that could fail.
 *
 * @param req the request
 * @param res the stand-in
 * @param session how to commit the session, and what is not saved
 * @param onFailure sends the error; `sendError` by default
 * @example
 * if (canHold(res, req)) holdResponse(res, commit, error => sendError(res, error))
 * else watchStandIn(req, res, { commit, pending: () => pending(session) })
 */
export function watchStandIn(
  req: IncomingMessage,
  res: ServerResponse,
  { commit, pending }: StandInSession,
  onFailure: OnFailure = error => sendError(res, error),
): void {
  const methods = res as unknown as Record<string, Method | undefined>
  const { writeHead, write, end } = methods
  const isUpgrade = (req as { upgrade?: boolean }).upgrade === true
  const outlivesHead = isUpgrade || !end
  const heads = Object.entries({ writeHead, write, end }).filter(([, method]) => method)
  const ownMethods = Object.fromEntries(heads)

  /** Commits before the head. Returns whether the head may be written. */
  const commitHead = (): boolean => {
    Object.assign(res, ownMethods)
    const unsaved = pending()
    if (unsaved === 'changes') {
      failHead()
      return false
    }
    // After an upgrade the session may still be changed and saved.
    if (outlivesHead && !unsaved) return true
    const committed = commit(res.statusCode ?? 200)
    // A promise can only be about the session's expiry, which a commit extends if it can.
    if ('then' in committed) committed.then(undefined, () => undefined)
    else addHeaders(res, committed)
    return true
  }
  const failHead = (): void => {
    // A mock has kept the body already, so the error goes to the test.
    if (res.headersSent) throw unsavedError()
    onFailure(unsavedError())
    // What the handler still writes is not part of the error response.
    for (const [name] of heads) methods[name] = () => name !== 'write' && res
  }

  for (const [name, method] of heads) {
    methods[name] = (...args) => {
      if (commitHead()) return (method as Method).apply(res, args)
      return name === 'write' ? false : res
    }
  }
  if (outlivesHead) {
    // A hand-made request, as in unit tests, may have a socket that emits nothing.
    req.socket?.once?.('close', () => {
      if (pending()) process.emitWarning(unsavedError())
    })
  }
}

/**
 * Warns of changes that nobody saved when a WebSocket closes whose response can be held. Such a response is never sent, so it
 * commits nothing. For any other request it does nothing.
 *
 * @param req the request
 * @param res its response, which emits `close`
 * @param pending what is not saved: `pending` of `@sess/core/adapter`
 * @example
 * holdResponse(res, commit, error => sendError(res, error))
 * watchWebSocket(req, res, () => pending(session))
 */
export function watchWebSocket(
  req: IncomingMessage,
  res: Pick<ServerResponse, 'once'>,
  pending: StandInSession['pending'],
): void {
  if (req.headers.upgrade?.toLowerCase() !== 'websocket') return
  res.once('close', () => {
    if (pending()) process.emitWarning(unsavedError())
  })
}

function addHeaders(res: ServerResponse, committed: CommitResult): void {
  if (typeof res.setHeader === 'function' && typeof res.getHeader === 'function')
    addSessionHeaders(res, committed)
}

function unsavedError(): SessionCommittedError {
  return new SessionCommittedError(
    'The session has changes that are not saved, and its response cannot wait (a WebSocket or a stand-in). Call `await session.save()`.',
  )
}
