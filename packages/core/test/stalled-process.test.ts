import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import { memoryStore } from '@sess/conformance'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSessions, type Session, type Sessions, type Store } from '../src/index.ts'
import { codeOf } from './support.ts'

const TIMEOUT = 100

/** A server in a thread of its own, so that it runs while this one stands still. It sends back what it gets. */
const ECHO = `
  const { createServer } = require('node:net')
  const { parentPort } = require('node:worker_threads')
  const server = createServer(socket => socket.pipe(socket))
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))
`

let worker: Worker
let socket: Socket
beforeAll(async () => {
  worker = new Worker(ECHO, { eval: true })
  const [port] = await once(worker, 'message')
  socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
})
afterAll(async () => {
  socket.destroy()
  await worker.terminate()
})

/** A store whose every answer comes over the socket. */
function remote(inner: Store = memoryStore()): Store {
  return new Proxy(inner, {
    get(target, name) {
      const method = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      return async (...args: unknown[]) => {
        const answered = once(socket, 'data')
        socket.write('.')
        await answered
        return method.apply(target, args)
      }
    },
  })
}

/** What one long computation, or a SIGSTOP, does to a process. */
function standStill(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3 * TIMEOUT)
}

async function seeded(sessions: Sessions): Promise<Session> {
  const first = sessions.open()
  first.set('a', 1)
  await sessions.commit(first, { status: 200 })
  const session = sessions.open(`sessionid=${first.sessionKey}`)
  await session.load()
  return session
}

describe('a process that stands still for longer than `timeout`', () => {
  it('reads what has arrived before it says that nothing did [F3]', async () => {
    const sessions = createSessions({ store: remote(), timeout: TIMEOUT })
    const { sessionKey } = await seeded(sessions)
    const session = sessions.open(`sessionid=${sessionKey}`)
    const loading = session.load()
    await new Promise(resolve => setImmediate(resolve))
    standStill()
    await loading
    expect(session.get('a')).toBe(1)
  })

  it.each<[string, (session: Session) => unknown]>([
    ['a save', session => session.set('a', 2)],
    ['a logout', session => session.flush()],
    ['a rotation', session => session.cycleKey()],
  ])('%s that the store has done is done [F3]', async (_, change) => {
    const sessions = createSessions({ store: remote(), timeout: TIMEOUT })
    const session = await seeded(sessions)
    change(session)
    const committing = sessions.commit(session, { status: 200 })
    await new Promise(resolve => setImmediate(resolve))
    standStill()
    expect(await codeOf(() => committing)).toBeUndefined()
  })

  it('still gives up on a store that has not answered [F3]', async () => {
    const sessions = createSessions({
      store: { ...memoryStore(), read: () => new Promise(() => undefined) },
      timeout: TIMEOUT,
    })
    const session = sessions.open(`sessionid=${'a'.repeat(32)}`)
    const loading = session.load()
    standStill()
    await loading
    expect(await codeOf(() => session.get('a'))).toBe('SESSION_STORE')
  })
})
