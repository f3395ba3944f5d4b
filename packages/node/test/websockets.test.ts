import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { cookiesOf, request } from '@sess/test-fixtures/http.ts'
import { type Program, runProgram } from '@sess/test-fixtures/program.ts'
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

/** Beside those: what the example for Socket.IO imports, and the client of its test. */
const SOCKET_IO: Record<string, string> = {
  'socket.io': 'packages/express/node_modules/socket.io',
  'socket.io-client': 'packages/express/node_modules/socket.io-client',
}

let folder: string
let program: Program
let url: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sess-websockets-'))
  const guide = await readFile(join(root, 'docs/websockets.md'), 'utf8')
  const installed = /^npm install (.*)$/m.exec(guide)![1]!.split(' ')
  expect(installed.toSorted()).toEqual(Object.keys(PACKAGES).toSorted())
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  for (const [name, place] of Object.entries({ ...PACKAGES, ...SOCKET_IO })) {
    const at = join(folder, 'node_modules', name)
    await mkdir(dirname(at), { recursive: true })
    await symlink(join(root, place), at, 'dir')
  }
  const [server = '', ...others] = [...guide.matchAll(/^```js.*\n([\s\S]*?)^```$/gm)].map(([, code]) => code!)
  await writeFile(join(folder, 'server.js'), server)
  // The other examples continue the first one. Socket.IO and `ws` cannot both take the upgrades of one server.
  const withoutWs = server.replace(/^server\.on\('upgrade'[\s\S]*?^\}\)$/m, '')
  await writeFile(join(folder, 'socket-io.js'), [withoutWs, LATE_CHANGE, ...others].join('\n'))
  await writeFile(join(folder, 'socket-io-ends.js'), await closingProgram(withoutWs))
  program = await start('server.js')
  url = program.url
})
afterAll(async () => {
  await program[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

/** The first example with the one of docs/close-sockets.md for Socket.IO: its first line in the place of the engine. */
async function closingProgram(server: string): Promise<string> {
  const page = await readFile(join(root, 'docs/close-sockets.md'), 'utf8')
  const [engine, ...rest] = /^## Socket\.IO\n[\s\S]*?^```js\n([\s\S]*?)^```$/m.exec(page)![1]!.split('\n')
  const replaced = server.replace(/^const sessions = .*$/m, `const store = cacheStore()\n${engine}`)
  expect(replaced).toContain('destroyed')
  return ["import { Server } from 'socket.io'", replaced, ...rest].join('\n')
}

/** A route with the mistake that the last example is about. */
const LATE_CHANGE = `app.get('/late', async (req, res) => {
  res.send('done')
  req.session.set('late', 1)
})`

const start = (file: string): Promise<Program> => runProgram(file, { cwd: folder, env: { PORT: '0' } })

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

  describe('with the examples for Socket.IO and for late changes', () => {
    let program: Program
    beforeAll(async () => {
      program = await start('socket-io.js')
    })
    afterAll(() => program[Symbol.asyncDispose]())

    test.each(['polling', 'websocket'])(
      'Socket.IO over %s has the session, and saves a note',
      async transport => {
        const login = await request(`${program.url}/login?user=ann`, { method: 'POST' })
        const { connect } = await import(
          join(folder, 'node_modules/socket.io-client/build/esm-debug/index.js')
        )
        const client = connect(program.url, {
          transports: [transport],
          extraHeaders: { cookie: cookiesOf(login) },
          reconnection: false,
        })
        try {
          const greeted = new Promise(resolve => client.once('greeting', resolve))
          expect(await greeted).toBe('ann')
          await client.timeout(5_000).emitWithAck('note', 'a note')
        } finally {
          client.close()
        }
      },
    )

    test.each(['polling', 'websocket'])(
      'docs/close-sockets.md: a logout closes the Socket.IO sockets of its session over %s, and no others',
      async transport => {
        await using program = await start('socket-io-ends.js')
        const { connect } = await import(
          join(folder, 'node_modules/socket.io-client/build/esm-debug/index.js')
        )
        const client = (cookie: string) =>
          connect(program.url, { transports: [transport], extraHeaders: { cookie }, reconnection: false })
        const login = async () =>
          cookiesOf(await request(`${program.url}/login?user=ann`, { method: 'POST' }))
        const [cookie, other] = [await login(), await login()]
        const [ends, stays] = [client(cookie), client(other)]
        try {
          await Promise.all([once(ends, 'connect'), once(stays, 'connect')])
          const closed = once(ends, 'disconnect')
          await request(`${program.url}/logout`, { method: 'POST', cookie })
          expect((await closed)[0]).toBe('io server disconnect')
          expect(stays.connected).toBe(true)
        } finally {
          ends.close()
          stays.close()
        }
      },
    )

    test('the error handler leaves an ended response alone', async () => {
      const login = await request(`${program.url}/login?user=ann`, { method: 'POST' })
      const got = await request(`${program.url}/late`, { cookie: cookiesOf(login) })
      expect([got.status, got.text]).toEqual([200, 'done'])
    })
  })
})
