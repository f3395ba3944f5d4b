import { probeRoutes } from '@sess/conformance'
import type { Session, Sessions } from '@sess/core'
import { runWithSession } from '@sess/fetch'
import { ELSEWHERE, elsewhere, statusOfError, webResponse } from '@sess/test-fixtures/web-probe.ts'

/** The probe app, for whatever serves it. */
export function probeApp(
  sessions: Sessions,
  inner?: Sessions,
): (request: Request) => Response | Promise<Response> {
  const routes = new Map(probeRoutes(sessions).map(({ method, path, run }) => [`${method} ${path}`, run]))
  return request => {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname === ELSEWHERE) return elsewhere()
    const run = routes.get(`${request.method.replace('HEAD', 'GET')} ${pathname}`)
    const handle = async ({ url }: Request, session: Session, inner?: Session) => {
      if (!run) return new Response('There is no such route.', { status: 404 })
      return webResponse(await run(session, searchParams, inner), url)
    }
    const handleWithInner = async (request: Request, session: Session) => {
      if (!inner) return await handle(request, session)
      return await runWithSession(inner, request, (request, inner) => handle(request, session, inner), {
        property: 'inner',
      })
    }
    const onError = (error: unknown): Response =>
      new Response(String(error), { status: statusOfError(error, searchParams) })
    return runWithSession(sessions, request, handleWithInner, { onError })
  }
}
