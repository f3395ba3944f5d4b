import { DoesNotApply } from '../case.ts'
import type { HttpResponse } from './client.ts'
import { noRoute } from './requests.ts'

/**
 * Leaves the case out if the probe app is older than the route, or ignores what the route asks for. A framework that
 * cannot do it responds with 501 and a line that says so.
 *
 * @param route such as `POST /raw`
 */
export function needsRoute({ status, body }: HttpResponse, route: string): void {
  if ([404, 405].includes(status)) throw new DoesNotApply(noRoute(route))
  if (status === 501) throw new DoesNotApply(body)
}
