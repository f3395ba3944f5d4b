import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { cookiesOf, request } from '@sess/test-fixtures/http.ts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'

const root = join(import.meta.dirname, '../../..')
/** Where the packages that the guide installs are. */
const PACKAGES: Record<string, string> = {
  '@sess/core': 'packages/core',
  '@sess/express': 'packages/express',
  '@sess/store-cache': 'packages/store-cache',
  express: 'packages/express/node_modules/express',
  ws: 'packages/node/node_modules/ws',
}

let folder: string
let server: ChildProcess
let url: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sess-websockets-'))
  const guide = await readFile(join(root, 'docs/websockets.md'), 'utf8')
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  await writeFile(join(folder, 'server.js'), /^```js file=server\.js\n([\s\S]*?)^```$/m.exec(guide)![1]!)
  const installed = /^npm install (.*)$/m.exec(guide)![1]!.split(' ')
  expect(installed.toSorted()).toEqual(Object.keys(PACKAGES).toSorted())
  for (const [name, place] of Object.entries(PACKAGES)) {
    const at = join(folder, 'node_modules', name)
    await mkdir(dirname(at), { recursive: true })
    await symlink(join(root, place), at, 'dir')
  }
  server = spawn(process.execPath, ['server.js'], {
    cwd: folder,
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(createInterface(server.stdout!), 'line')
  url = String(line).replace('listening on ', '')
})
afterAll(async () => {
  const ended = once(server, 'exit')
  server.kill()
  await ended
  await rm(folder, { recursive: true })
})

async function login(user: string): Promise<string> {
  return cookiesOf(await request(`${url}/login?user=${user}`, { method: 'POST' }))
}

async function messages(cookie: string): Promise<string[]> {
  return (await request(`${url}/messages`, { cookie })).json
}

function connect(headers: Record<string, string>): WebSocket {
  return new WebSocket(url.replace('http', 'ws'), { headers })
}

async function opened(cookie: string): Promise<WebSocket> {
  const socket = connect({ cookie })
  await once(socket, 'open')
  return socket
}

async function failedStatus(headers: Record<string, string>): Promise<number> {
  const socket = connect(headers)
  socket.on('error', () => undefined)
  const [, response] = await once(socket, 'unexpected-response')
  response.resume()
  return response.statusCode
}

describe('docs/websockets.md', () => {
  test('only a session that is logged in may connect', async () => {
    expect(await failedStatus({})).toBe(401)
    expect(await failedStatus({ cookie: `sessionid=${'a'.repeat(32)}` })).toBe(401)
    const socket = await opened(await login('ann'))
    socket.terminate()
  })

  test("a socket that another site's page opens gets a 403", async () => {
    const cookie = await login('ann')
    expect(await failedStatus({ cookie, origin: 'https://evil.example' })).toBe(403)
    expect(await failedStatus({ cookie, origin: 'null' })).toBe(403)
    const socket = connect({ cookie, origin: url })
    await once(socket, 'open')
    socket.terminate()
  })

  test('what sockets of one session save at once is all there for requests', async () => {
    const cookie = await login('ann')
    const sockets = await Promise.all([opened(cookie), opened(cookie)])
    const sent = ['one', 'two', 'three', 'four']
    await Promise.all(
      sockets.map(async (socket, index) => {
        let saved = 0
        const all = new Promise<void>(resolve => {
          socket.on('message', text => String(text) === 'saved' && ++saved === sent.length && resolve())
        })
        for (const text of sent) socket.send(`${index} ${text}`)
        await all
        socket.terminate()
      }),
    )
    const expected = sent.flatMap(text => [`0 ${text}`, `1 ${text}`])
    expect((await messages(cookie)).toSorted()).toEqual(expected.toSorted())
  })

  test('after a logout a socket writes nothing and is closed', async () => {
    const cookie = await login('ann')
    const socket = await opened(cookie)
    await request(`${url}/logout`, { method: 'POST', cookie })
    socket.send('too late')
    const [code] = await once(socket, 'close')
    expect(code).toBe(4401)
    expect(await messages(cookie)).toEqual([])
  })

  test('after a new login the old cookie of an open socket is void, and the session untouched', async () => {
    const cookie = await login('ann')
    const socket = await opened(cookie)
    const next = cookiesOf(await request(`${url}/login?user=bob`, { method: 'POST', cookie }))
    socket.send('with the old key')
    const [code] = await once(socket, 'close')
    expect(code).toBe(4401)
    expect(await messages(next)).toEqual([])
  })
})
