import { once } from 'node:events'
import type { Program } from '@sess/test-fixtures/program.ts'
import { io, type Socket } from 'socket.io-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { libraries, runApp } from './libraries.ts'
import { Visitor } from './visitor.ts'

describe.each(libraries)('Socket.IO 4 on $name', ({ env }) => {
  let app: Program
  beforeAll(async () => {
    app = await runApp('socket-io.mjs', env)
  })
  afterAll(() => app?.[Symbol.asyncDispose]())

  const open = (visitor: Visitor, transport: string): Socket =>
    io(app.url, {
      transports: [transport],
      forceNew: true,
      reconnection: false,
      extraHeaders: { cookie: `connect.sid=${visitor.cookies.get('connect.sid')}` },
    })

  const begin = async (): Promise<Visitor> => {
    const visitor = new Visitor()
    await visitor.go(`${app.url}/begin`)
    return visitor
  }

  it.each(['websocket', 'polling'])('by %s: reloads and saves the session of the page', async transport => {
    const visitor = await begin()
    const socket = open(visitor, transport)
    await once(socket as any, 'connect')
    const { id } = (await visitor.go(app.url)).json()
    expect(await socket.emitWithAck('who')).toEqual({ count: 0, id })
    await visitor.go(`${app.url}/login`)
    expect(await socket.emitWithAck('who')).toEqual({ user: 'ada', count: 0, id })
    expect(await socket.emitWithAck('add')).toEqual({ count: 1 })
    expect((await visitor.go(app.url)).json()).toEqual({ user: 'ada', count: 1, id })
    await visitor.go(`${app.url}/add`)
    expect(await socket.emitWithAck('add')).toEqual({ count: 3 })
    expect((await visitor.go(app.url)).json()).toMatchObject({ count: 3 })

    const closed = once(socket as any, 'disconnect')
    expect((await visitor.go(`${app.url}/logout`)).text).toBe('bye')
    expect((await closed)[0]).toBe('io server disconnect')
  })

  it('does not let in a visitor without a session', async () => {
    const socket = open(new Visitor(), 'websocket')
    const [error] = await once(socket as any, 'connect_error')
    expect(error.message).toBe('no session')
    socket.close()
  })

  it('closes the sockets of a session that ended, and no others', async () => {
    const [visitor, other] = [await begin(), await begin()]
    const socket = open(visitor, 'websocket')
    await once(socket as any, 'connect')
    const tab = open(other, 'websocket')
    await once(tab as any, 'connect')
    await visitor.go(`${app.url}/logout`)
    if (socket.connected) await once(socket as any, 'disconnect')
    expect(await tab.emitWithAck('who')).toMatchObject({ count: 0 })
    tab.close()
  })
})
