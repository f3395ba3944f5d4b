import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { breakable, cuttable, freePort, type StartedServer, startServer } from '../src/index.ts'

const ECHO = (port: number) => [
  '-e',
  `let n = 0; require('node:net').createServer(s => s.on('error', () => {}).on('data', d => s.write(++n + ':' + d))).listen(${port}, '127.0.0.1')`,
]

async function say(port: number, text: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' })
  try {
    await once(socket, 'connect')
    socket.write(text)
    const [answer] = await Promise.race([
      once(socket, 'data'),
      once(socket, 'close').then(() => Promise.reject(new Error('cut'))),
    ])
    return String(answer)
  } finally {
    socket.destroy()
  }
}

describe('a server and a proxy before it', () => {
  let server: StartedServer
  beforeAll(async () => {
    server = await startServer(process.execPath, ECHO)
  })
  afterAll(() => server.stop())

  test('a cut ends connections, and mending brings them back; the server goes on', async () => {
    const proxy = await cuttable(server.port)
    try {
      expect(await say(proxy.port, 'a')).toMatch(/^\d+:a$/)
      const waiting = connect({ port: proxy.port, host: '127.0.0.1' })
      waiting.on('error', () => undefined)
      await once(waiting, 'connect')
      const closed = once(waiting, 'close')
      proxy.cut()
      await closed
      await expect(say(proxy.port, 'b')).rejects.toThrow()
      proxy.mend()
      expect(await say(proxy.port, 'c')).toMatch(/:c$/)
    } finally {
      await proxy.close()
    }
  })

  test('while it is frozen nothing passes, on old and new connections, and nothing is lost', async () => {
    const proxy = await cuttable(server.port)
    try {
      const old = connect({ port: proxy.port, host: '127.0.0.1' })
      await once(old, 'connect')
      old.write('warm')
      await once(old, 'data')
      proxy.freeze()
      let answered = 0
      old.on('data', () => answered++)
      old.write('a')
      const fresh = say(proxy.port, 'b').finally(() => answered++)
      await new Promise(resolve => setTimeout(resolve, 50))
      expect(answered).toBe(0)
      const oldAnswer = once(old, 'data')
      proxy.thaw()
      expect(String((await oldAnswer)[0])).toMatch(/:a$/)
      expect(await fresh).toMatch(/:b$/)
      old.destroy()
    } finally {
      await proxy.close()
    }
  })

  test('the second answer from now on is lost, and no other', async () => {
    const proxy = await cuttable(server.port)
    try {
      proxy.loseAnswer(2)
      expect(await say(proxy.port, 'x')).toMatch(/:x$/)
      await expect(say(proxy.port, 'y')).rejects.toThrow()
      expect(await say(proxy.port, 'z')).toMatch(/:z$/)
    } finally {
      await proxy.close()
    }
  })

  test('before the second piece from now on something is done, and pieces wait for its end', async () => {
    const proxy = await cuttable(server.port)
    try {
      const events: string[] = []
      const tell = async (text: string) =>
        void events.push((await say(proxy.port, text)).replace(/^\d+:/, ''))
      proxy.beforePiece(2, async () => {
        await new Promise(resolve => setTimeout(resolve, 50))
        events.push('done')
      })
      await tell('a')
      await tell('b')
      await tell('c')
      expect(events).toEqual(['a', 'done', 'b', 'c'])
      proxy.beforePiece(1, () => void events.push('called off'))
      proxy.mend()
      await tell('d')
      expect(events.slice(4)).toEqual(['d'])
    } finally {
      await proxy.close()
    }
  })

  test('the number of its process can be sent signals: a stopped server says nothing until it goes on', async () => {
    process.kill(server.pid, 'SIGSTOP')
    let said = false
    const answer = say(server.port, 'a').then(text => {
      said = true
      return text
    })
    await new Promise(resolve => setTimeout(resolve, 100))
    expect(said).toBe(false)
    process.kill(server.pid, 'SIGCONT')
    expect(await answer).toMatch(/:a$/)
  })

  test('a lost answer: the server has done it, and the client is cut', async () => {
    const proxy = await cuttable(server.port)
    try {
      const before = Number((await say(proxy.port, 'x')).split(':')[0])
      proxy.loseAnswer()
      await expect(say(proxy.port, 'y')).rejects.toThrow()
      expect(await say(proxy.port, 'z')).toBe(`${before + 2}:z`)
    } finally {
      await proxy.close()
    }
  })
})

test('a server that does not start is an error with what it wrote', async () => {
  const broken = ['-e', 'console.error("no disk"); process.exit(3)']
  await expect(startServer(process.execPath, broken)).rejects.toThrow(/it ended \(3\)\nno disk/)
  await expect(startServer('no-such-server', [])).rejects.toThrow(/ENOENT/)
})

test('a free port is one that can be listened on', async () => {
  const server = createServer().listen(await freePort(), '127.0.0.1')
  await once(server, 'listening')
  server.close()
})

test('a breakable client fails while it is broken, sync and async', async () => {
  const real = { count: 1, get: () => 5, load: async () => 6 }
  const { client, fail, heal } = breakable(real)
  expect([client.get(), await client.load(), client.count]).toEqual([5, 6, 1])
  fail(new Error('READONLY'))
  expect(() => client.get()).toThrow('READONLY')
  await expect(client.load()).rejects.toThrow('READONLY')
  heal()
  expect(client.get()).toBe(5)
})

test('a breakable client fails after some calls, or only some of its calls', () => {
  const { client, fail, heal } = breakable({ get: () => 5, send: (command: string) => command })
  const only = (method: string, [command]: readonly unknown[]) => method === 'send' && command === 'SET'
  fail(new Error('READONLY'), { after: 1, only })
  expect([client.get(), client.send('GET'), client.send('SET'), client.send('GET')]).toEqual([
    5,
    'GET',
    'SET',
    'GET',
  ])
  expect(() => client.send('SET')).toThrow('READONLY')
  expect(client.get()).toBe(5)
  heal()
  expect(client.send('SET')).toBe('SET')
})
