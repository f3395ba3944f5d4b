import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, expect, it } from 'vitest'
import { root } from './workspace.ts'

const folder = mkdtempSync(join(tmpdir(), 'sess-readme-'))
let server: ChildProcess | undefined

afterEach(async () => {
  if (server?.exitCode === null && server.kill()) await once(server, 'exit')
  rmSync(folder, { recursive: true, force: true })
})

/** Runs the login of the README as it stands there, on a free port and a database of its own. */
async function startExample(): Promise<string> {
  const snippet = /```js\n([\s\S]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8'))![1]!
  const database = join(folder, 'sessions.db')
  const code = snippet
    .replace("'sessions.db'", JSON.stringify(database))
    .replace(
      'app.listen(3000)',
      "const server = app.listen(0, '127.0.0.1', () => console.log(server.address().port))",
    )
  expect(code).toContain(database)
  server = spawn(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: join(root, 'examples/shop'),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [port] = await once(createInterface(server.stdout!), 'line')
  return `http://127.0.0.1:${port}`
}

it('the example of the README signs in, keeps both of two parallel items, and signs out', async () => {
  const url = await startExample()
  let cookie = ''
  const call = async (method: string, path: string, body?: Record<string, string>): Promise<Response> => {
    const response = await fetch(url + path, {
      method,
      headers: { cookie },
      redirect: 'manual',
      ...(body && { body: new URLSearchParams(body) }),
    })
    const set = response.headers.get('set-cookie')
    if (set) cookie = set.split(';')[0]!
    return response
  }
  const cart = async (): Promise<unknown> => (await call('GET', '/cart')).json()

  for (const wrong of [undefined, { name: 'ada', password: 'x' }]) {
    expect((await call('POST', '/login', wrong)).status).toBe(401)
  }
  const login = await call('POST', '/login', { name: 'ada', password: 'lovelace' })
  expect(login.headers.get('location')).toBe('/')
  expect(cookie).not.toBe('')
  await Promise.all([call('POST', '/cart', { item: 'tea' }), call('POST', '/cart', { item: 'cup' })])
  expect(await cart()).toEqual(expect.arrayContaining(['tea', 'cup']))
  const before = cookie
  const logout = await call('POST', '/logout')
  expect(await (await call('GET', logout.headers.get('location')!)).json()).toEqual({ userId: null })
  cookie = before
  expect(await cart()).toEqual([])
})
