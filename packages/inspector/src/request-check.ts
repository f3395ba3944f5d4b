/** Bytes of a form. None of ours is longer. */
const MAX_FORM = 8_192

/** A request that is not carried out, with the status and what the page says about it. */
export class Rejection extends Error {
  readonly status: number
  readonly advice: string

  constructor(status: number, message: string, advice = '') {
    super(message)
    this.name = 'Rejection'
    this.status = status
    this.advice = advice
  }
}

/**
 * The fields of a form that one of our own pages sent. The browser says by `Origin` where the form was, and the token in
 * it was made for this visitor.
 *
 * @throws Rejection (403, 413 or 415)
 */
export async function readForm(
  request: Request,
  isToken: (token: string) => Promise<boolean>,
): Promise<URLSearchParams> {
  assertSameOrigin(request)
  const type = request.headers.get('content-type') ?? ''
  if (!/^application\/x-www-form-urlencoded\b/i.test(type)) {
    throw new Rejection(415, 'This is no form of the inspector.')
  }
  const form = new URLSearchParams(await readText(request))
  if (await isToken(form.get('token') ?? '')) return form
  throw new Rejection(
    403,
    'Nothing was done, because the page was out of date.',
    'You may have logged in again since it was loaded. Go back, reload the page and try again.',
  )
}

function assertSameOrigin(request: Request): void {
  const origin = request.headers.get('origin')
  const site = request.headers.get('sec-fetch-site')
  const isOwn = origin !== null && URL.parse(origin)?.host === new URL(request.url).host
  if (isOwn && (site === null || site === 'same-origin')) return
  throw new Rejection(
    403,
    'Nothing was done, because the request did not come from a page of the inspector.',
    'If it did, a proxy in front of the server changes the Host header. Let it hand on the one of the browser.',
  )
}

async function readText(request: Request): Promise<string> {
  const reader = request.body?.getReader()
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  while (reader) {
    const { done, value } = await reader.read()
    if (done) break
    size += value.length
    if (size > MAX_FORM) {
      await reader.cancel()
      throw new Rejection(413, 'The form is too long.')
    }
    text += decoder.decode(value, { stream: true })
  }
  return text
}
