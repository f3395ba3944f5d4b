// `pnpm test:runtimes`, or this file with the names of some runtimes. Beside the adapter's cases: the upgrade of a WebSocket.
import { once } from 'node:events'
import { request } from 'node:http'
import { runOnRuntimes } from '@sess/test-fixtures/adapter-runtimes.ts'

await runOnRuntimes('fetch', import.meta.dirname, async (url, runtime, store) => {
  const wrong: string[] = []
  const expected = (what: string, found: unknown, wanted: unknown): void => {
    if (found !== wanted) wrong.push(`${what} to be ${wanted}; it was ${found}`)
  }
  const lastError = async () => (await fetch(`${url}/error`)).text()
  // Bun sends the head of an upgrade before the handler returns, the others after it.
  const sends = runtime === 'bun' ? 0 : 1
  const isInCookie = store === 'encrypted-cookie'

  const set = await fetch(`${url}/set?k=a&v=1`, { method: 'POST' })
  const before = cookieOf(set.headers.getSetCookie())
  const known = await upgrade(`${url}/socket?b=2`, before)
  expected('the status of an upgrade with a session', known.status, 101)
  expected('the cookies of an upgrade that changes a session', known.cookies.length, sends)
  const isLost = isInCookie && sends === 0
  expected('the error of that upgrade', await lastError(), isLost ? 'SESSION_COMMITTED' : 'none')
  const cookie = sends > 0 ? cookieOf(known.cookies) : before
  const found = await (await fetch(`${url}/get?k=b`, { headers: { cookie } })).json()
  expected('what that upgrade set', found.value, isLost ? undefined : '2')

  const fresh = await upgrade(`${url}/socket?b=2`, '')
  expected('the status of an upgrade without a session', fresh.status, 101)
  expected('the cookies of an upgrade with a new session', fresh.cookies.length, sends)
  expected('the error of that upgrade', await lastError(), sends > 0 ? 'none' : 'SESSION_COMMITTED')
  return wrong
})

function cookieOf(lines: readonly string[]): string {
  return lines.map(line => line.split(';')[0]).join('; ')
}

/** Asks for an upgrade, and closes the socket. */
async function upgrade(url: string, cookie: string): Promise<{ status: number; cookies: string[] }> {
  const headers = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    cookie,
  }
  const asked = request(url, { headers })
  asked.end()
  const answered = Promise.race([once(asked, 'upgrade'), once(asked, 'response')])
  const [response] = await answered
  asked.destroy()
  return { status: response.statusCode, cookies: response.headers['set-cookie'] ?? [] }
}
