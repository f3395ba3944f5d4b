import { once } from 'node:events'
import websocket from '@fastify/websocket'
import { createSessions } from '@sess/core'
import { session } from '@sess/fastify'
import { cacheStore } from '@sess/store-cache'
import { intercept } from '@sess/test-fixtures/intercepted-store.ts'
import fastify from 'fastify'
import { expect, it, onTestFinished } from 'vitest'

it('a session that is changed in a WebSocket is saved by save(), and else a warning', async () => {
  const warnings: string[] = []
  const warn = (warning: Error): unknown => warnings.push(warning.message)
  process.on('warning', warn)
  onTestFinished(() => void process.off('warning', warn))
  const store = intercept(cacheStore())
  store.before = () => Promise.resolve()
  const app = fastify()
  onTestFinished(() => app.close())
  await app.register(websocket)
  await app.register(session(createSessions({ store })))
  app.get<{ Params: { how: string } }>('/socket/:how', { websocket: true }, (socket, request) => {
    socket.on('message', async () => {
      const { how } = request.params
      request.session.set('n', how)
      if (how === 'saved') await request.session.save()
      socket.send('done')
    })
  })
  app.get('/', async ({ session }) => {
    if (!session.has('n')) session.set('n', 'new')
    return session.get('n')
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const [cookie = ''] = (await fetch(url)).headers.getSetCookie()[0]!.split(';')

  for (const how of ['saved', 'unsaved']) {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/socket/${how}`, {
      headers: { cookie },
    } as never)
    await once(socket, 'open')
    socket.send('go')
    await once(socket, 'message')
    expect(warnings).toEqual([])
    socket.close()
    await once(socket, 'close')
  }
  expect(await (await fetch(url, { headers: { cookie } })).text()).toBe('saved')
  await expect.poll(() => warnings).toEqual([expect.stringContaining('changes that are not saved')])
}, 10_000)
