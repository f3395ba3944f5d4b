import type { Session, Sessions, SessionsOptions } from '@sess/core'
import { type MiddlewareOptions, SessionSlot } from '@sess/core/adapter'
import { addCommitted, runWithSession } from '@sess/fetch'
import { Elysia } from 'elysia'

/** Gives every request its session, as `session` of the context. Takes what `createSessions` takes, or the engine it made. */
export function session<Name extends string = 'session'>(
  options: SessionsOptions | Sessions,
  place: MiddlewareOptions & { property?: Name } = {},
) {
  const { sessions, property } = new SessionSlot(options, place)
  const failed = new WeakMap<Request, unknown>()
  return new Elysia({ name: '@example/elysia-sessions', seed: property })
    .wrap((next, request) => async (...args: unknown[]) => {
      const handle = next as (...args: unknown[]) => any
      try {
        return await runWithSession(sessions, request, () => handle(...args), { property })
      } catch (error) {
        // The save failed after Elysia had made its response. The error goes through Elysia's own handling: `onRequest` throws it.
        failed.set(request, error)
        const response = await handle(...args)
        addCommitted(request, response.headers) // another engine may have saved
        return response
      }
    })
    .onRequest(({ request }) => {
      if (failed.has(request)) throw failed.get(request)
    })
    .derive({ as: 'global' }, ({ request }) => {
      return { [property]: (request as any)[property] } as { [name in Name]: Session }
    })
    .mapResponse({ as: 'global' }, ({ responseValue, request, set }) => {
      // A handler may `return session`. Elysia makes JSON of plain objects only.
      if (responseValue !== (request as any)[property]) return
      return Response.json(responseValue, {
        status: Number(set.status ?? 200),
        headers: set.headers as HeadersInit,
      })
    })
}
