import { equal, fail, ok, outcome } from '../check.ts'
import type { HttpResponse, SetCookie } from './client.ts'
import type { AdapterFixture } from './fixture.ts'

/** The session's cookies of a response: one, or several where a long token is split. */
export function sessionCookies(f: AdapterFixture, response: HttpResponse): SetCookie[] {
  return response.setCookies.filter(
    ({ name }) => name === f.cookieName || name.startsWith(`${f.cookieName}.`),
  )
}

export function noCookie(f: AdapterFixture, response: HttpResponse, what: string): void {
  equal(
    sessionCookies(f, response).map(({ whole }) => hidden(whole)),
    [],
    `the session cookies of ${what}`,
  )
}

/** The response's session cookie, which sets a value. */
export function newCookie(f: AdapterFixture, response: HttpResponse, what: string): SetCookie {
  const [cookie] = sessionCookies(f, response)
  if (!cookie) fail(`a session cookie in ${what}`, `there was none (status ${response.status})`)
  ok(!cookie.deletes && cookie.value !== '', `a session cookie with a value in ${what}`, 'it was deleted')
  return cookie
}

/** The session cookie of a response, which also has what keeps caches from giving it to others. */
export function privateCookie(f: AdapterFixture, response: HttpResponse, what: string): SetCookie {
  const cookie = newCookie(f, response, what)
  variesByCookie(response, what)
  equal(cacheControl(response).includes('private'), true, `whether Cache-Control of ${what} says private`)
  return cookie
}

/** `Vary` names Cookie, once. */
export function variesByCookie(response: HttpResponse, what: string): void {
  equal(vary(response).filter(name => name === 'cookie').length, 1, `how often Vary of ${what} names Cookie`)
}

export function deletedCookie(f: AdapterFixture, response: HttpResponse, what: string): SetCookie {
  const [cookie] = sessionCookies(f, response)
  if (!cookie) fail(`${what} to delete the session cookie`, 'there was no Set-Cookie')
  ok(cookie.deletes, `${what} to delete the session cookie`, `it was ${hidden(cookie.whole)}`)
  return cookie
}

export function status(response: HttpResponse, expected: number, what: string): void {
  equal(response.status, expected, `the status of ${what}`)
}

/** The names in `Vary`, in lower case. */
export function vary(response: HttpResponse): string[] {
  return list(response.headers['vary'])
}

export function cacheControl(response: HttpResponse): string[] {
  return list(response.headers['cache-control'])
}

export const pause = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))

/** Fails if there is no outcome within five seconds: the adapter has left the client waiting. */
export async function inFiveSeconds<T>(what: string, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const signal = AbortSignal.timeout(5_000)
  const settled = await outcome(() => run(signal))
  ok(!signal.aborted, `${what} to have a response`, 'there was none after 5 s')
  if (settled.error !== undefined) fail(`${what} to have a response`, `it failed: ${settled.error}`)
  return settled.value as T
}

function list(header: string | undefined): string[] {
  return (header ?? '')
    .split(',')
    .map(item => item.trim().toLowerCase())
    .filter(item => item !== '')
}

/** A cookie without its value, for reports. */
function hidden(whole: string): string {
  return whole.replace(/=[^;]*/, '=…')
}
