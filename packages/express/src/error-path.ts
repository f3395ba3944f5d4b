import { sendError } from '@sess/node'
import type { NextFunction, Request, Response } from 'express'

/** How a request leaves our middleware. */
export interface ErrorPath {
  /** Calls `next` the first time, and does nothing after that: other hosts than Express break on a second call. */
  nextOnce(error?: unknown): void
  /** Hands an error to the error handlers, at any time: before the handler, while it runs, or after it. */
  pass(error: unknown): void
}

/**
 * Finds the error handlers for a request, wherever it is when the error happens. That may be another router or another
 * route than the one of our middleware. While Express's routers run they keep the route, and a `next` of theirs that may
 * be called again, on `req`.
 */
export function errorPath(req: Request, res: Response, next: NextFunction): ErrorPath {
  const { route, next: routerNext } = req
  let isNextUsed = false
  const nextOnce = (error?: unknown): void => {
    if (isNextUsed) return
    isNextUsed = true
    next(error)
  }
  const pass = (error: unknown): void => {
    if (!isNextUsed) return void nextOnce(error)
    // No router of Express runs: the host is another one (connect, @fastify/middie, h3's fromNodeMiddleware), or Express
    // has handed the request to one. Its `next` was used.
    if (!req.next) return void sendError(res, error)
    const isStillHere = req.route === route && req.next === routerNext
    // In a route of ours only our own `next` leads to the error handlers of that route.
    const currentNext = isStillHere ? next : req.next
    currentNext(error)
  }
  return { nextOnce, pass }
}
