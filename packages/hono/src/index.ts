import type { DefaultData, Session, Sessions, SessionsOptions } from '@sess/core'
import { type MiddlewareOptions, SessionSlot, type WithSessions } from '@sess/core/adapter'
import { addCommitted, runWithSession } from '@sess/fetch'
import type { MiddlewareHandler } from 'hono'

/**
 * The variables that `session` sets, for apps and handlers that are not chained to it.
 *
 * @example
 * const app = new Hono<{ Variables: SessionVariables }>()
 */
export type SessionVariables<Data extends object = DefaultData, Property extends string = 'session'> = {
  [name in Property]: Session<Data>
}

/**
 * Gives every request its session as `c.get('session')` and `c.var.session`, and saves it before the response is sent.
 *
 * - The status that counts is that of `c.res`, after the app's `onError` and `notFound`. 500 or more saves nothing.
 * - A save that fails goes to `app.onError`, with `status` and `code`. The headers that middlewares above have set stay. Hono
 *   itself sends a 500 for it.
 * - A load that failed throws when a handler first uses the session.
 * - A response that gets a cookie is a copy, so `c.res` is another object than the handler returned.
 *
 * @param options what `createSessions` takes, or the engine it made
 * @param place the name of the variable, when that is not `session`
 * @returns the middleware. Its property `sessions` is the engine
 * @throws ConfigError (`CONFIG`) for a wrong option
 * @example
 * const app = new Hono().use(session({ store: cacheStore() })).get('/', c => c.json(c.get('session').get('n', 0)))
 */
export function session<Data extends object = DefaultData, Property extends string = 'session'>(
  options: SessionsOptions<Data> | Sessions<Data>,
  place: MiddlewareOptions & { property?: Property | undefined } = {},
): MiddlewareHandler<{ Variables: SessionVariables<Data, Property> }> & WithSessions<Data> {
  const slot = new SessionSlot(options, place)
  const { sessions, property } = slot
  const sessionMiddleware: MiddlewareHandler<{ Variables: SessionVariables<Data, Property> }> = async (
    c,
    next,
  ) => {
    // Not of `c.res`: to ask for it makes one, and Hono would merge the handler's response into that.
    // A copy, because the `Response` of @hono/node-server has the object itself that later calls of `c.header` change.
    const headersBefore = new Headers(c.body(null).headers)
    try {
      const response = await runWithSession(
        sessions,
        c.req.raw,
        async (_, session) => {
          c.set(property as Property, session)
          await next()
          // Hono makes an error of it when nothing has answered.
          return c.finalized ? c.res : Response.error()
        },
        { property, on: c },
      )
      if (c.finalized && response !== c.res) replaceResponse(c, response)
    } catch (error) {
      // Hono hands the headers of `c.res` on to the response of the error handler.
      addCommitted(c, headersBefore)
      replaceResponse(c, new Response(null, { headers: headersBefore }))
      throw error
    }
  }
  return slot.withSessions(sessionMiddleware)
}

/** Assigning to `c.res` merges the headers of the response that is there. */
function replaceResponse(c: { res: Response | undefined }, response: Response): void {
  c.res = undefined
  c.res = response
}
