import { ReadableStream, TextEncoderStream } from 'node:stream/web'
import { BODY_LIMIT, type ShopResponse } from './shop.ts'

/** The form of a request, as text. One that is too long is an error with the status 413. */
export async function bodyOf(request: Request): Promise<string> {
  let body = ''
  for await (const piece of request.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    body += piece
    if (body.length > BODY_LIMIT) throw Object.assign(new Error('The form is too long.'), { status: 413 })
  }
  return body
}

export function responseOf({ status, headers, body }: ShopResponse): Response {
  const stream = ReadableStream.from<string>(body as AsyncIterable<string>).pipeThrough(
    new TextEncoderStream(),
  )
  return new Response(stream as BodyInit, { status, headers })
}
