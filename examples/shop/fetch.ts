import type { RequestListener } from 'node:http'
import type { Session } from '@sess/core'
import { runWithSession } from '@sess/fetch'
import { toNodeHandler } from 'srvx/node'
import type { Shop } from './shop.ts'
import { assets } from './views.ts'
import { bodyOf, responseOf } from './web.ts'

export function fetchApp(shop: Shop): RequestListener {
  const onError = (error: unknown): Response => responseOf(shop.problem(error))
  const handle = async (request: Request, session: Session): Promise<Response> => {
    const { pathname, search } = new URL(request.url)
    const header = (name: string): string | undefined => request.headers.get(name) ?? undefined
    const body = await bodyOf(request)
    return responseOf(
      await shop.respond(session, { method: request.method, url: pathname + search, header, body }),
    )
  }
  return toNodeHandler(request => {
    // What does not need the session stands above it.
    const asset = request.method === 'GET' ? assets[new URL(request.url).pathname] : undefined
    if (asset) return new Response(asset.body, { headers: asset.headers })
    return runWithSession(shop.sessions, request, handle, { onError })
  }) as RequestListener
}
