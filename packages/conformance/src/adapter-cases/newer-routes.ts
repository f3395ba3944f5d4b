import { DoesNotApply } from '../case.ts'
import { type HttpResponse, type SendOptions, send } from './client.ts'
import type { AdapterFixture } from './fixture.ts'

/**
 * Leaves the case out if the probe app is older than the route, or ignores what the route asks for. A framework that
 * cannot do it responds with 501 and a line that says so.
 *
 * @param route such as `POST /raw`
 */
export function needsRoute({ status, body }: Pick<HttpResponse, 'status' | 'body'>, route: string): void {
  if ([404, 405].includes(status)) throw new DoesNotApply(noRoute(route))
  if (status === 501) throw new DoesNotApply(body)
}

/** For the report: the probe app is older than the case. */
export const noRoute = (route: string) => `the probe app has no route ${route}`

/** A request to a route that older probe apps do not have. */
export async function request(
  f: AdapterFixture,
  method: string,
  path: string,
  options: SendOptions = {},
): Promise<HttpResponse> {
  const response = await send((await f.url()) + path, { ...options, method })
  const [route] = path.split('?')
  if ([404, 405, 501].includes(response.status)) throw new DoesNotApply(noRoute(`${method} ${route}`))
  return response
}
