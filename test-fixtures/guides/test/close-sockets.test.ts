import { once } from 'node:events'
import { cookiesOf, request } from '@sess/test-fixtures/http.ts'
import { requireServer, type Server, startRedis } from '@sess/test-fixtures/servers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { filesOf, folderWith, type Started, start } from './guide.ts'
import { closeOf, opened, post, rejectedWith, saved } from './sockets.ts'

const SERVERS = ['ws.js', 'hono.js', 'crossws.js']

describe.skipIf(!requireServer('redis'))('docs/close-sockets.md', () => {
  const folder = folderWith(filesOf('close-sockets.md'))
  let redis: Server
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(async () => {
    await redis?.stop()
    folder[Symbol.dispose]()
  })

  describe.each(SERVERS)('%s in two processes', file => {
    let one: Started
    let other: Started
    beforeAll(async () => {
      const { env } = redis
      const [first, second] = [start(folder.path, file, { env }), start(folder.path, file, { env })]
      ;[one, other] = [await first, await second]
    })
    afterAll(async () => {
      await one?.stop()
      await other?.stop()
    })

    const login = async (user: string) => cookiesOf(await post(one.url, `/login?user=${user}`))

    test('the session is read at the upgrade: without a login it is a 401, from another site a 403', async () => {
      expect(await rejectedWith(one.url, {})).toBe(401)
      expect(await rejectedWith(one.url, { cookie: `sessionid=${'a'.repeat(32)}` })).toBe(401)
      const cookie = await login(`${file}-stranger`)
      expect(await rejectedWith(one.url, { cookie, origin: 'https://evil.example' })).toBe(403)
    })

    test('what two sockets of one session save at the same time is all there', async () => {
      const cookie = await login(`${file}-writer`)
      const sockets = [await opened(one.url, cookie), await opened(other.url, cookie)]
      await Promise.all(sockets.map((socket, index) => saved(socket, `from ${index}`)))
      const { json } = await request(`${one.url}/messages`, { cookie })
      expect(json.toSorted()).toEqual(['from 0', 'from 1'])
      for (const socket of sockets) socket.terminate()
    })

    test('a logout closes the sockets of the session in both processes, and no others', async () => {
      const user = `${file}-ann`
      const cookie = await login(user)
      const elsewhere = await login(user)
      const sockets = [await opened(one.url, cookie), await opened(other.url, cookie)]
      const stays = await opened(one.url, elsewhere)
      const closed = sockets.map(closeOf)
      await post(one.url, '/logout', cookie)
      expect(await Promise.all(closed)).toEqual([4401, 4401])
      await saved(stays, 'still here')
      stays.terminate()
    })

    test('log out everywhere closes the sockets of all sessions of the user', async () => {
      const user = `${file}-bob`
      const cookies = [await login(user), await login(user)]
      const sockets = [await opened(one.url, cookies[0]!), await opened(other.url, cookies[1]!)]
      const closed = sockets.map(closeOf)
      await post(one.url, '/logout-everywhere', cookies[0])
      expect(await Promise.all(closed)).toEqual([4401, 4401])
    })
  })

  test.concurrent('a session that got a new key closes its sockets at the next look', async () => {
    await using server = await start(folder.path, 'ws.js', { env: { ...redis.env, LOOK_EVERY_MS: '50' } })
    const cookie = cookiesOf(await post(server.url, '/login?user=eve'))
    const closed = closeOf(await opened(server.url, cookie))
    await post(server.url, '/login?user=eve', cookie)
    expect(await closed).toBe(4401)
  })

  test.concurrent('a store that is down rejects the upgrade with a 503', async () => {
    const own = await startRedis()
    await using server = await start(folder.path, 'ws.js', { env: own.env })
    const cookie = cookiesOf(await post(server.url, '/login?user=eve'))
    const socket = await opened(server.url, cookie)
    socket.terminate()
    await once(socket, 'close')
    process.kill(own.pid, 'SIGSTOP')
    try {
      expect(await rejectedWith(server.url, { cookie })).toBe(503)
    } finally {
      process.kill(own.pid, 'SIGCONT')
      await own.stop()
    }
  })
})
