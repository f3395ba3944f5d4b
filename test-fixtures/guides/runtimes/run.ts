// `pnpm test:runtimes`, or this file with the names of some runtimes: runs the pages of `docs` for Bun, Deno and Workers there.
import assert from 'node:assert/strict'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cookiesOf, request } from '@sess/test-fixtures/http.ts'
import {
  askedFor,
  installRuntimes,
  type Listening,
  listening,
  runtimeBinary,
  serveWorker,
} from '@sess/test-fixtures/runtimes.ts'
import { freePort, requireServer, startRedis } from '@sess/test-fixtures/servers'
import { build } from 'esbuild'
import { filesOf, folderWith, start } from '../test/guide.ts'
import { closeOf, opened, post, rejectedWith, saved } from '../test/sockets.ts'

const names = askedFor(['bun', 'deno', 'workerd'])
await installRuntimes(names)
using folder = folderWith([...filesOf('runtimes.md'), ...filesOf('close-sockets.md')])
using lines = folderWith(filesOf('frameworks.md'))
copyFileSync(
  join(import.meta.dirname, '../elysia/elysia-sessions.ts'),
  join(lines.path, 'elysia-sessions.ts'),
)
const secrets = { SESSION_SECRET: 'a secret of the tests, which nobody should use' }

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
  for (const file of ['bun.js', 'elysia.js']) await countsVisits(file, 'Bun', await onFreePort(file, command))
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
  await countsVisits('deno.js', 'Deno', await onFreePort('deno.js', command))
}

async function onWorkerd(): Promise<void> {
  const outfile = join(folder.path, 'worker.mjs')
  await bundle(join(folder.path, 'worker.ts'), outfile)
  const server = await serveWorker(outfile, secrets)
  try {
    await loginAndOut('workerd', server.url, { keysEnd: false })
  } finally {
    await server.stop()
  }
  await bundle(join(lines.path, 'workers.js'), outfile)
  await countsVisits('workers.js', 'workerd', await serveWorker(outfile, secrets))
}

async function bundle(file: string, outfile: string): Promise<void> {
  await build({
    entryPoints: [file],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    conditions: ['workerd', 'worker'],
    external: ['cloudflare:workers'],
    logLevel: 'error',
  })
}

/** Runs a program of docs/frameworks.md, which names the port 3000. */
async function onFreePort(file: string, command: string[]): Promise<Listening> {
  const port = String(await freePort())
  const path = join(lines.path, file)
  const text = readFileSync(path, 'utf8')
  assert.match(text, /\b3000\b/)
  writeFileSync(path, text.replace('3000', port))
  return listening([...command, file], `http://127.0.0.1:${port}`, lines.path)
}

async function countsVisits(file: string, runtime: string, { url, stop }: Listening): Promise<void> {
  try {
    const first = await request(url)
    const cookie = cookiesOf(first)
    const second = await request(url, { cookie })
    const other = await request(url)
    assert.deepEqual([first.text, second.text, other.text], ['visit 1', 'visit 2', 'visit 1'])
  } finally {
    await stop()
  }
  console.log(`docs/frameworks.md: ${file} on ${runtime}`)
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
