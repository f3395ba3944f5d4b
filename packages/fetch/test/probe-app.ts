import { type ProbeStep, type ProbeWays, probeNotFound, probeRoutes } from '@sess/conformance'
import type { Session, Sessions } from '@sess/core'
import { addCommitted, runWithSession } from '@sess/fetch'
import { ELSEWHERE, elsewhere, statusOfError, webResponse } from '@sess/test-fixtures/web-probe.ts'

/** The probe app, for whatever serves it. */
export function probeApp(
  sessions: Sessions,
  inner?: Sessions,
  { hook, twice, sameProperty }: ProbeWays = {},
): (request: Request) => Response | Promise<Response> {
  const routes = new Map(
    probeRoutes(sessions, { httpError }).map(({ method, path, run }) => [`${method} ${path}`, run]),
  )
  return request => {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname === ELSEWHERE) return elsewhere()
    const run = routes.get(`${request.method.replace('HEAD', 'GET')} ${pathname}`)
    const handle = async ({ url }: Request, session: Session, inner?: Session) => {
      return webResponse(await (run ?? probeNotFound)(session, searchParams, inner), url)
    }
    const handleWithInner = async (request: Request, session: Session) => {
      if (!inner) return await handle(request, session)
      return await runWithSession(inner, request, (request, inner) => handle(request, session, inner), {
        ...(!sameProperty && { property: 'inner' }),
      })
    }
    const handleAgain = async (request: Request, session: Session) => {
      return twice
        ? await runWithSession(sessions, request, handleWithInner)
        : await handleWithInner(request, session)
    }
    // A router runs middleware around the session, and where the session is at hand. It adds the headers of both to the response
    // of the handler.
    const set: ProbeStep['headers'] = []
    const inMiddleware = async (session: Session | undefined, next: () => Response | Promise<Response>) => {
      if (!hook) return await next()
      const { headers, answer, after } = await hook(searchParams, session)
      set.push(...headers)
      if (answer) return appended(new Response(answer.body, answer), set)
      const response = await next()
      return appended(response, [...(session ? set : []), ...(after?.() ?? [])])
    }
    const onError = (error: unknown): Response =>
      new Response(String(error), {
        status: statusOfError(error, searchParams),
        headers: (error as { headers?: Record<string, string> }).headers ?? {},
      })
    const withSession = () =>
      runWithSession(
        sessions,
        request,
        (request, session) => inMiddleware(session, () => handleAgain(request, session)),
        { onError },
      )
    const errorOfMiddleware = (error: unknown): Response => {
      const response = onError(error)
      addCommitted(request, response.headers)
      return response
    }
    return hook ? inMiddleware(undefined, withSession).catch(errorOfMiddleware) : withSession()
  }
}

const httpError = (status: number, headers: Record<string, string>) =>
  Object.assign(new Error(`status ${status}`), { status, headers })

/** A copy, because the headers of a response may be immutable. */
function appended(response: Response, headers: ProbeStep['headers']): Response {
  if (headers.length === 0) return response
  const copy = new Response(response.body, response)
  for (const [name, value] of headers) copy.headers.append(name, value)
  return copy
}
