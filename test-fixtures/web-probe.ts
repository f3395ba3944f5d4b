import type { ProbeAnswer } from '@sess/conformance'

/** The path that answers with what `/foreign` fetches. Register it without a session. */
export const ELSEWHERE = '/elsewhere'

export const elsewhere = (): Response => new Response('from elsewhere', { headers: { 'x-foreign': 'yes' } })

/** What `/constant` answers every visitor with. */
export const NO_CONTENT: Response = new Response(null, { status: 204 })

/** Why `/end-then-throw` does not apply. */
export const ONE_OF_TWO = 'a handler returns its response, and nothing follows'

/** Why a handler cannot write the response of `node:http`. */
export const NO_NODE_RESPONSE = 'a handler returns its response, and has none of node:http'

/** The answer of a probe route as a web `Response`. */
export function webResponse(
  { status, headers, body, foreign, constant, json, thenThrow, raw, failing, bytes }: ProbeAnswer,
  url: string,
): Response | Promise<Response> {
  if (constant) return NO_CONTENT
  if (foreign) return fetch(new URL(ELSEWHERE, url))
  if (raw) return new Response(NO_NODE_RESPONSE, { status: 501 })
  if (failing) return new Response(failingBody(failing))
  if (bytes) return new Response(bytes.content, bytes)
  if (thenThrow) return new Response(ONE_OF_TWO, { status: 501 })
  if (json) return Response.json(json)
  return new Response(webBody(body), { status, headers })
}

/** A body of text pieces as a body that a web `Response` takes. */
export function webBody(body: ProbeAnswer['body']): string | null | ReadableStream<Uint8Array> {
  if (body === null || typeof body === 'string') return body
  const pieces = body[Symbol.asyncIterator]()
  const encoder = new TextEncoder()
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await pieces.next()
      if (done) controller.close()
      else controller.enqueue(encoder.encode(value))
    },
    cancel: async () => void (await pieces.return?.()),
  })
}

/** A body of the web that fails. */
export function failingBody({
  body,
  begin,
}: NonNullable<ProbeAnswer['failing']>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  return new ReadableStream({
    start: controller => begin(error => controller.error(error)),
    async pull(controller) {
      for await (const piece of body) controller.enqueue(encoder.encode(piece))
    },
  })
}

/** The status that the error handler of a probe app answers with. */
export function statusOfError(error: unknown, query: URLSearchParams): number {
  const { status = 500 } = error as { status?: number }
  return Number(query.get('mapped') ?? status)
}
