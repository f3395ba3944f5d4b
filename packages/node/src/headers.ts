import type { ServerResponse } from 'node:http'
import type { CommitResult } from '@sess/core'
import { fieldValue, privateCache, varyBy } from '@sess/core/adapter'

export type HeaderSnapshot = [name: string, value: number | string | string[]][]

/** The headers set so far. One by one, because the object of `getHeaders` takes three times as long. */
export function headersOf(res: ServerResponse): HeaderSnapshot {
  return res.getHeaderNames().map(name => {
    const value = res.getHeader(name)!
    // `appendHeader` pushes into the array.
    return [name, Array.isArray(value) ? [...value] : value]
  })
}

/** Replaces all headers by those of the snapshot. */
export function resetHeaders(res: ServerResponse, headers: HeaderSnapshot): void {
  for (const name of res.getHeaderNames()) res.removeHeader(name)
  for (const [name, value] of headers) res.setHeader(name, value)
}

/** The headers that `writeHead` takes. */
export type HeadersArgument =
  | Record<string, string>
  | string[]
  | [name: string, value: string][]
  | null
  | undefined

/**
 * Sets headers as `writeHead` does. Each replaces the header of its name, and an array may have a name twice (middleware
 * lost those: CVE-2025-7339).
 */
export function setHeaders(res: ServerResponse, headers: HeadersArgument): void {
  if (!Array.isArray(headers)) {
    for (const [name, value] of Object.entries(headers ?? {})) if (name) res.setHeader(name, value)
    return
  }
  const pairs = Array.isArray(headers[0]) ? (headers as [string, string][]) : pairsOf(headers as string[])
  for (const [name] of pairs) res.removeHeader(name)
  for (const [name, value] of pairs) res.appendHeader(name, Array.isArray(value) ? [...value] : value)
}

function pairsOf(flat: string[]): [string, string][] {
  if (flat.length % 2 === 1)
    throw new TypeError('writeHead: the array of headers has a name without a value.')
  return Array.from({ length: flat.length / 2 }, (_, index) => [flat[index * 2]!, flat[index * 2 + 1]!])
}

/** Adds the headers of the session to those of the application. */
export function addSessionHeaders(
  res: ServerResponse,
  { setCookies, vary, private: isPrivate, headers, varyBy: names }: CommitResult,
): void {
  if (setCookies.length > 0) {
    // `appendHeader` would push into an array of the application, and so send the cookie to the next visitor.
    const others = res.getHeader('set-cookie') as string | string[] | undefined
    res.setHeader('Set-Cookie', ([] as string[]).concat(others ?? [], setCookies))
  }
  for (const name in headers) {
    res.setHeader(name, fieldValue(name, currentValue(res, name), headers[name]!))
  }
  if (vary) res.setHeader('Vary', varyBy(currentValue(res, 'vary'), names))
  if (isPrivate) res.setHeader('Cache-Control', privateCache(currentValue(res, 'cache-control')))
}

function currentValue(res: ServerResponse, name: string): string | undefined {
  const value = res.getHeader(name)
  return Array.isArray(value) ? value.join(', ') : value?.toString()
}
