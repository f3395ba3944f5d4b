// `pnpm test:runtimes`, or this file with the names of some runtimes: runs the pages of `docs` for Bun, Deno and Workers there.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cookiesOf, request } from '@sess/test-fixtures/http.ts'
import { askedFor, installRuntimes, runtimeBinary, serveWorker } from '@sess/test-fixtures/runtimes.ts'
import { requireServer, startRedis } from '@sess/test-fixtures/servers'
import { build } from 'esbuild'
import { filesOf, folderWith, start } from '../test/guide.ts'
import { closeOf, opened, post, rejectedWith, saved } from '../test/sockets.ts'

const names = askedFor(['bun', 'deno', 'workerd'])
await installRuntimes(names)
using folder = folderWith([...filesOf('runtimes.md'), ...filesOf('close-sockets.md')])

for (const name of names) {
  if (name === 'bun') await onBun()
  else if (name === 'deno') await onDeno()
  else await onWorkerd()
}

async function onBun(): Promise<void> {
  const command = [runtimeBinary('bun')]
  {
    await using server = await start(folder.path, 'bun.ts', { command })
    await loginAndOut('Bun', server.url, { keysEnd: true })
  }
  if (!requireServer('redis')) return
  const redis = await startRedis()
  try {
    for (const file of ['bun.js', 'crossws.js']) {
      await using one = await start(folder.path, file, { command, env: redis.env })
      await using other = await start(folder.path, file, { command, env: redis.env })
      await socketsClose(`${file} on Bun`, one.url, other.url)
    }
  } finally {
    await redis.stop()
  }
}

async function onDeno(): Promise<void> {
  const command = [runtimeBinary('deno'), 'run', '--allow-net', '--allow-env', '--no-check']
  await using server = await start(folder.path, 'deno.ts', { command })
  await loginAndOut('Deno', server.url, { keysEnd: true })
}

async function onWorkerd(): Promise<void> {
  const outfile = join(folder.path, 'worker.mjs')
  // workerd has no secrets, so a module around the worker gives it one, as `wrangler secret put` does.
  const entry = `import worker from './worker.ts'
const SESSION_SECRET = 'a secret of the tests, which nobody should use'
export default { fetch: request => worker.fetch(request, { SESSION_SECRET }) }`
  writeFileSync(join(folder.path, 'with-secret.js'), entry)
  const conditions = ['workerd', 'worker']
  const entryPoints = [join(folder.path, 'with-secret.js')]
  await build({
    entryPoints,
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    conditions,
    logLevel: 'error',
  })
  const server = await serveWorker(outfile)
  try {
    await loginAndOut('workerd', server.url, { keysEnd: false })
  } finally {
    await server.stop()
  }
}

/** The flow of the pages. `keysEnd`: whether a logout ends the key itself, which it does not for sessions in cookies. */
async function loginAndOut(runtime: string, url: string, { keysEnd }: { keysEnd: boolean }): Promise<void> {
  const userOf = async (cookie: string) => (await request(url, { cookie })).json.user
  const stranger = await request(url)
  assert.deepEqual(
    [stranger.json, stranger.setCookies, stranger.headers.vary],
    [{ user: null }, [], 'Cookie'],
  )
  const login = await post(url, '/login?user=ada')
  assert.deepEqual([login.status, login.headers.location, login.setCookies.length], [303, '/', 1])
  const cookie = cookiesOf(login)
  assert.equal(await userOf(cookie), 'ada')
  const logout = await post(url, '/logout', cookie)
  assert.match(logout.setCookies[0]!, /Max-Age=0/)
  assert.equal(await userOf(cookie), keysEnd ? null : 'ada')
  console.log(`docs/runtimes.md on ${runtime}: login, page and logout`)
}

async function socketsClose(what: string, one: string, other: string): Promise<void> {
  const login = async () => cookiesOf(await post(one, `/login?user=${what.length}`))
  const cookie = await login()
  assert.equal(await rejectedWith(one, {}), 401)
  assert.equal(await rejectedWith(one, { cookie, origin: 'https://evil.example' }), 403)
  const sockets = [await opened(one, cookie), await opened(other, cookie), await opened(other, await login())]
  await Promise.all(sockets.slice(0, 2).map((socket, index) => saved(socket, `from ${index}`)))
  const { json } = await request(`${one}/messages`, { cookie })
  assert.deepEqual(json.toSorted(), ['from 0', 'from 1'])
  const [first, second, third] = sockets.map(closeOf)
  await post(one, '/logout', cookie)
  assert.deepEqual(await Promise.all([first, second]), [4401, 4401])
  await saved(sockets[2]!, 'still here')
  await post(one, '/logout-everywhere', await login())
  assert.equal(await third, 4401)
  console.log(`docs/close-sockets.md: ${what}, in two processes`)
}
