import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import http2 from 'node:http2'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { type CommitResult, SessionStoreError } from '@sess/core'
import { type HttpResponse, request, serve } from '@sess/test-fixtures/http.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { errorStatus, holdResponse, type NodeResponse } from '../src/index.ts'

const COOKIE = 'sessionid=new; Path=/'
const SAVED: CommitResult = { setCookies: [COOKIE], vary: true, private: true }
const NOTHING: CommitResult = { setCookies: [], vary: false, private: false }
const BIG = Buffer.alloc(3_000_000, 'sess ')
const PAGE = Buffer.alloc(20_000, 'page ')

let folder: string
let file: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sess-gate-'))
  file = join(folder, 'big.bin')
  await writeFile(file, BIG)
})
afterAll(() => rm(folder, { recursive: true }))

/** How a commit may come out, each at once and later. */
const commits = {
  'at once': () => SAVED,
  later: () => sleep(20, SAVED),
}
const failures = {
  'at once': () => {
    throw new SessionStoreError('down')
  },
  later: async () => {
    await sleep(20)
    throw new SessionStoreError('down')
  },
}

type Handler = (res: ServerResponse) => unknown

/** Sends the error response. The failed response must not look sent, or this `end` would be a second one and do nothing. */
function sendMessage(res: NodeResponse, text: string): void {
  // To throw here would leave the client waiting.
  if (res.headersSent || res.writableEnded) return void res.destroy(new Error('It looks as if it had left.'))
  ;(res as ServerResponse).setHeader('Content-Type', 'text/plain')
  res.end(text)
}

/** Sends one response through a gate. A failed one sends the error's message. */
async function respond(
  commit: (status: number) => CommitResult | Promise<CommitResult>,
  handler: Handler,
  options: Parameters<typeof request>[1] = {},
): Promise<HttpResponse & { statuses: number[]; failed: unknown[] }> {
  const statuses: number[] = []
  const failed: unknown[] = []
  await using server = await serve((_req, res) => {
    res.setHeader('X-Before', 'kept')
    holdResponse(
      res,
      status => {
        statuses.push(status)
        return commit(status)
      },
      error => {
        failed.push(error)
        sendMessage(res, (error as Error).message)
      },
    )
    handler(res)
  })
  return Object.assign(await request(server.url, options), { statuses, failed })
}

/** Every way to respond, with what the client gets. */
const ways: Record<string, { handler: Handler; status?: number; body?: Buffer | string; method?: string }> = {
  'end without a body': { handler: res => res.end() },
  'end with a body': { handler: res => res.end('hello'), body: 'hello' },
  'end with an encoding': { handler: res => res.end('aGVsbG8=', 'base64'), body: 'hello' },
  'end after a status': {
    handler: res => {
      res.statusCode = 201
      res.end('made')
    },
    status: 201,
    body: 'made',
  },
  'write, then end': {
    handler: res => {
      res.write('a')
      res.write(Buffer.from('b'))
      res.end('c')
    },
    body: 'abc',
  },
  'writes with pauses': {
    handler: async res => {
      for (const part of ['a', 'b', 'c', 'd']) {
        res.write(part)
        await sleep(10)
      }
      res.end()
    },
    body: 'abcd',
  },
  'writeHead, then end': { handler: res => void res.writeHead(202).end('ok'), status: 202, body: 'ok' },
  'flushHeaders, a pause, then a body': {
    handler: async res => {
      res.flushHeaders()
      await sleep(30)
      res.end('late')
    },
    body: 'late',
  },
  'a pipe that is far bigger than the buffers': {
    handler: res => createReadStream(file).pipe(res),
    body: BIG,
  },
  'a pipeline': { handler: res => pipeline(createReadStream(file), res), body: BIG },
  'a writer that waits for drain': {
    handler: async res => {
      for (let at = 0; at < BIG.length; at += 100_000) {
        if (!res.write(BIG.subarray(at, at + 100_000))) await once(res, 'drain')
      }
      res.end()
    },
    body: BIG,
  },
  HEAD: { handler: res => res.end('not sent'), method: 'HEAD' },
  '204': { handler: res => res.writeHead(204).end(), status: 204 },
  '304': { handler: res => res.writeHead(304).end(), status: 304 },
}

describe('a response that is held', () => {
  for (const [when, commit] of Object.entries(commits)) {
    for (const [way, { handler, status = 200, body = '', method = 'GET' }] of Object.entries(ways)) {
      it(`is sent unchanged, with the session: ${way}, committed ${when} [F27]`, async () => {
        const got = await respond(commit, handler, { method })
        expect(got.failed).toEqual([])
        expect(got.statuses).toEqual([status])
        expect(got.status).toBe(status)
        expect(got.body.equals(Buffer.from(body))).toBe(true)
        expect(got.setCookies).toEqual([COOKIE])
        expect(got.headers).toMatchObject({ 'x-before': 'kept', vary: 'Cookie', 'cache-control': 'private' })
      })

      it(`is the same bytes as without the gate: ${way}, nothing to say ${when} [F27]`, async () => {
        await using bare = await serve((_req, res) => {
          res.setHeader('X-Before', 'kept')
          res.sendDate = false
          handler(res)
        })
        const expected = await request(bare.url, { method })
        const got = await respond(
          async () => NOTHING,
          res => {
            res.sendDate = false
            return handler(res)
          },
          { method },
        )
        expect(got.rawHeaders).toEqual(expected.rawHeaders)
        expect(got.body.equals(expected.body)).toBe(true)
      })
    }
  }

  it('sends no byte before the commit, not even the status line [F27]', async () => {
    const order: string[] = []
    await using server = await serve((_req, res) => {
      const commit = async (): Promise<CommitResult> => {
        await sleep(50)
        order.push('committed')
        return SAVED
      }
      holdResponse(res, commit, () => order.push('failed'))
      res.flushHeaders()
      res.write('first')
      setTimeout(() => res.end('last'), 10)
    })
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    socket.once('data', () => order.push('byte'))
    socket.resume()
    await once(socket, 'close')
    expect(order).toEqual(['committed', 'byte'])
  })

  it('adds no tick when the commit makes no promise', async () => {
    await using server = await serve((_req, res) => {
      holdResponse(
        res,
        () => SAVED,
        () => expect.unreachable(),
      )
      res.write('a')
      expect(res.headersSent).toBe(true)
      expect(Object.hasOwn(res, 'headersSent')).toBe(false)
      res.end()
      expect(res.writableEnded).toBe(true)
    })
    expect((await request(server.url)).text).toBe('a')
  })

  it('looks to the application as if it had left', async () => {
    const seen: unknown[] = []
    const got = await respond(commits.later, res => {
      seen.push(res.headersSent, res.writableEnded)
      res.write('a')
      seen.push(res.headersSent, res.writableEnded)
      res.end()
      seen.push(res.headersSent, res.writableEnded)
      res.statusCode = 500
    })
    expect(seen).toEqual([false, false, true, false, true, true])
    expect(got.status).toBe(200)
  })

  describe('has a head that is fixed, as if it had left', () => {
    const changes: Record<string, Handler> = {
      setHeader: res => res.setHeader('X-Late', '1'),
      setHeaders: res => res.setHeaders(new Map([['X-Late', '1']])),
      appendHeader: res => res.appendHeader('Set-Cookie', 'late=1'),
      removeHeader: res => res.removeHeader('X-Before'),
      writeHead: res => res.writeHead(404),
    }
    const begins: Record<string, Handler> = {
      write: res => res.write('a'),
      end: res => res.end('a'),
      flushHeaders: res => res.flushHeaders(),
      writeHead: res => res.writeHead(200),
    }
    for (const [begin, beginning] of Object.entries(begins)) {
      it(`after ${begin}`, async () => {
        const codes: Record<string, unknown> = {}
        const got = await respond(commits.later, res => {
          beginning(res)
          for (const [change, changing] of Object.entries(changes)) {
            try {
              changing(res)
            } catch (error) {
              codes[change] = (error as NodeJS.ErrnoException).code
            }
          }
          res.end()
        })
        expect(codes).toEqual(
          Object.fromEntries(Object.keys(changes).map(change => [change, 'ERR_HTTP_HEADERS_SENT'])),
        )
        expect([got.status, got.setCookies, got.headers['x-late']]).toEqual([200, [COOKIE], undefined])
        expect(got.headers['x-before']).toBe('kept')
      })
    }

    it('and a wrapper of writeHead sets headers on the way, which has its method back afterwards', async () => {
      let own: unknown
      let after: unknown
      const got = await respond(commits.later, res => {
        const { writeHead } = res
        res.writeHead = (...args: never[]) => {
          res.setHeader('X-Wrapped', '1')
          return (writeHead as (...args: unknown[]) => ServerResponse).apply(res, args)
        }
        own = res.writeHead
        res.on('finish', () => {
          after = res.writeHead
        })
        res.write('a')
        res.end()
      })
      expect(got.headers['x-wrapped']).toBe('1')
      expect(after).toBe(own)
    })
  })

  it('is ended once: a write after that is an error for its own callback only', async () => {
    const called: unknown[] = []
    const hear = (error?: Error | null): unknown =>
      called.push((error as NodeJS.ErrnoException)?.code ?? null)
    await using server = await serve((req, res) => {
      holdResponse(
        res,
        () => sleep(20, SAVED),
        () => expect.unreachable(),
      )
      res.end(`body ${req.url}`)
      expect(res.write('more', hear)).toBe(false)
      expect(res.end('much more', hear)).toBe(res)
      res.flushHeaders()
      res.end(hear)
    })
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    socket.write('GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    let text = ''
    for await (const chunk of socket) text += chunk
    expect(text.match(/content-length: \d+|body \/\d|more/gi)).toEqual([
      'Content-Length: 7',
      'body /1',
      'Content-Length: 7',
      'body /2',
    ])
    const WRITE_AFTER_END = 'ERR_STREAM_WRITE_AFTER_END'
    expect(called.toSorted()).toEqual([...Array(4).fill(WRITE_AFTER_END), null, null].toSorted())
  })

  it('calls the callbacks of write and end, in order and once', async () => {
    const called: unknown[] = []
    await respond(commits.later, res => {
      res.write('a', error => called.push(['write', error ?? null]))
      res.write('b', 'utf8', error => called.push(['write', error ?? null]))
      res.end(() => called.push(['end']))
    })
    await sleep(10)
    expect(called).toEqual([['write', null], ['write', null], ['end']])
  })

  it('asks a writer to wait when it holds much, and wakes it', async () => {
    const returned: boolean[] = []
    let drains = 0
    const got = await respond(commits.later, res => {
      res.on('drain', () => {
        drains++
        res.end('end')
      })
      returned.push(res.write('small'))
      returned.push(res.write(Buffer.alloc(res.writableHighWaterMark)))
    })
    expect(returned).toEqual([true, false])
    expect(drains).toBe(1)
    expect(got.text.endsWith('end')).toBe(true)
  })

  it('keeps headers and cookies of the application', async () => {
    const got = await respond(commits.later, res => {
      res.setHeader('Set-Cookie', ['a=1', 'b=2'])
      res.setHeader('Vary', ['Accept', 'Origin'])
      res.setHeader('Cache-Control', 'public, max-age=60')
      res.end()
    })
    expect(got.setCookies).toEqual(['a=1', 'b=2', COOKIE])
    expect(got.headers.vary).toBe('Accept, Origin, Cookie')
    expect(got.headers['cache-control']).toBe('max-age=60, private')
  })

  it('leaves the arrays of the application alone [I3]', async () => {
    const cookies = ['a=1', 'b=2']
    await respond(commits.later, res => {
      res.setHeader('Set-Cookie', cookies)
      res.end()
    })
    await respond(commits['at once'], res => void res.writeHead(200, ['Set-Cookie', cookies] as never).end())
    expect(cookies).toEqual(['a=1', 'b=2'])
  })

  describe('takes headers from writeHead in every form [C29]', () => {
    const forms: Record<string, unknown[]> = {
      'an object': [200, { 'Set-Cookie': ['a=1', 'b=2'], Vary: 'Accept', 'X-A': '1' }],
      'a message and an object': [200, 'Fine', { 'Set-Cookie': ['a=1', 'b=2'], Vary: 'Accept', 'X-A': '1' }],
      'a flat array': [200, ['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'Vary', 'Accept', 'X-A', '1']],
      'an array of pairs': [
        200,
        [
          ['Set-Cookie', 'a=1'],
          ['Set-Cookie', 'b=2'],
          ['Vary', 'Accept'],
          ['X-A', '1'],
        ],
      ],
      'a message and an array': [
        200,
        'Fine',
        ['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'Vary', 'Accept', 'X-A', '1'],
      ],
      'an object after undefined': [
        200,
        undefined,
        { 'Set-Cookie': ['a=1', 'b=2'], Vary: 'Accept', 'X-A': '1' },
      ],
    }
    for (const [when, commit] of Object.entries(commits)) {
      for (const [form, args] of Object.entries(forms)) {
        it(`${form}, committed ${when}`, async () => {
          const got = await respond(commit, res => {
            res.setHeader('Vary', 'Replaced')
            ;(res.writeHead as (...args: unknown[]) => unknown)(...args)
            res.end()
          })
          expect(got.setCookies).toEqual(['a=1', 'b=2', COOKIE])
          expect(got.headers).toMatchObject({ vary: 'Accept, Cookie', 'x-a': '1', 'x-before': 'kept' })
          expect(got.statusMessage).toBe(args[1] === 'Fine' ? 'Fine' : 'OK')
        })
      }
    }

    it('throws what Node throws at the call when the commit makes no promise', async () => {
      const got = await respond(commits['at once'], res => {
        expect(() => res.writeHead(200, ['X-A'] as never)).toThrow(TypeError)
        expect(() => res.writeHead(42)).toThrow(RangeError)
        res.end('still here')
      })
      expect(got.text).toBe('still here')
    })

    it('passes what Node throws to onFailure when the commit takes time', async () => {
      const got = await respond(commits.later, res => void res.writeHead(200, { 'X-A': 'line\nfeed' }).end())
      expect(got.failed).toMatchObject([{ code: 'ERR_INVALID_CHAR' }])
      expect(got.setCookies).toEqual([COOKIE])
    })
  })

  it('lets 1xx responses pass [F27]', async () => {
    await using server = await serve((_req, res) => {
      holdResponse(
        res,
        () => sleep(30, SAVED),
        () => expect.unreachable(),
      )
      res.writeProcessing()
      res.writeEarlyHints({ link: '</a.css>; rel=preload' }, () => {
        res.write('do')
        // The head is held with what was written, and this is still in time.
        res.writeEarlyHints({ link: '</b.css>; rel=preload' }, () => res.end('ne'))
      })
    })
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    let text = ''
    for await (const chunk of socket) text += chunk
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual([
      'HTTP/1.1 102',
      'HTTP/1.1 103',
      'HTTP/1.1 103',
      'HTTP/1.1 200',
    ])
    expect(text).toContain(COOKIE)
  })

  it('keeps the place of calls that act on what was written, and lets others act at once', async () => {
    const order: string[] = []
    const committed = Promise.withResolvers<CommitResult>()
    await using server = await serve((_req, res) => {
      const held = res as ServerResponse & { flush(): void }
      for (const name of ['write', 'end', 'cork', 'uncork', 'addTrailers', 'setTimeout', 'flush'] as const) {
        const method = held[name] as ((...args: unknown[]) => unknown) | undefined
        Object.assign(held, {
          [name]: (...args: unknown[]) => {
            order.push(name)
            return method?.apply(held, args)
          },
        })
      }
      holdResponse(
        res,
        () => committed.promise,
        () => expect.unreachable(),
      )
      res.setHeader('Trailer', 'X-Sum')
      res.cork()
      res.write('a')
      held.flush()
      res.write('b')
      res.setTimeout(60_000)
      res.uncork()
      res.cork()
      res.write('c')
      res.addTrailers({ 'X-Sum': '7' })
      res.uncork()
      res.end()
      order.push('committed')
      committed.resolve(SAVED)
    })
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    let text = ''
    for await (const chunk of socket) text += chunk
    // The first `cork` comes before anything is written; Node's `end` uncorks once more.
    const held = 'write flush write uncork cork write addTrailers uncork end uncork'
    expect(order.join(' ')).toBe(`cork setTimeout committed ${held}`)
    expect(text.endsWith('1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\nX-Sum: 7\r\n\r\n')).toBe(true)
  })

  it('keeps pipelined responses apart and in order', async () => {
    await using server = await serve((req, res) => {
      const wait = req.url === '/1' ? 40 : 1
      holdResponse(
        res,
        () => sleep(wait, { ...NOTHING, setCookies: [`at=${req.url}`] }),
        () => expect.unreachable(),
      )
      res.end(`body ${req.url}`)
    })
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    const get = (path: string, last = ''): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n${last}\r\n`
    socket.write(get('/1') + get('/2') + get('/3', 'Connection: close\r\n'))
    let text = ''
    for await (const chunk of socket) text += chunk
    expect(text.match(/at=\/\d|body \/\d/g)).toEqual([
      'at=/1',
      'body /1',
      'at=/2',
      'body /2',
      'at=/3',
      'body /3',
    ])
  })

  it('survives a client that is gone before the commit is done [F26]', async () => {
    const committed = Promise.withResolvers<CommitResult>()
    const released = Promise.withResolvers<void>()
    await using server = await serve((_req, res) => {
      holdResponse(
        res,
        () => committed.promise,
        () => expect.unreachable(),
      )
      createReadStream(file).pipe(res)
      res.once('close', () => {
        committed.resolve(SAVED)
        committed.promise.then(() => setImmediate(released.resolve))
      })
    })
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    setTimeout(() => socket.destroy(), 20)
    await released.promise
    expect((await request(server.url)).body.length).toBe(BIG.length)
  }, 10_000)

  it('nests: the inner session first, both cookies', async () => {
    const order: string[] = []
    await using server = await serve((_req, res) => {
      for (const name of ['outer', 'inner']) {
        holdResponse(
          res,
          async () => {
            order.push(name)
            return { ...SAVED, setCookies: [`${name}=1`] }
          },
          () => expect.unreachable(),
        )
      }
      createReadStream(file).pipe(res)
    })
    const got = await request(server.url)
    expect(order).toEqual(['inner', 'outer'])
    expect(got.setCookies).toEqual(['inner=1', 'outer=1'])
    expect(got.headers.vary).toBe('Cookie')
    expect(got.body.equals(BIG)).toBe(true)
  })
})

describe('a response whose commit fails [F2]', () => {
  for (const [when, commit] of Object.entries(failures)) {
    for (const [way, { handler, method = 'GET' }] of Object.entries(ways)) {
      it(`is never sent: ${way}, failed ${when}`, async () => {
        const got = await respond(
          commit,
          async res => {
            res.setHeader('X-Before', 'changed')
            res.setHeader('X-After', 'gone')
            res.setHeader('Set-Cookie', 'app=1')
            try {
              await handler(res)
            } catch (error) {
              // The pipeline's response was dropped.
              expect(error).toMatchObject({ code: 'ERR_STREAM_PREMATURE_CLOSE' })
            }
          },
          { method },
        )
        expect(got.failed).toHaveLength(1)
        expect(got.status).toBe(503)
        expect(got.statusMessage).toBe('Service Unavailable')
        expect(got.text).toBe(method === 'HEAD' ? '' : 'down')
        expect(got.setCookies).toEqual([])
        expect(got.headers).toMatchObject({ 'x-before': 'kept' })
        expect(got.headers).not.toHaveProperty('x-after')
      })
    }
  }

  for (const [when, commit] of Object.entries(failures)) {
    it(`gives the callbacks of what was written the error, failed ${when}`, async () => {
      const called: unknown[] = []
      await respond(commit, res => {
        res.write('a', error => called.push(error?.message))
        res.end('b', (error?: Error) => called.push(error?.message))
      })
      await expect.poll(() => called).toEqual(['down', 'down'])
    })

    it(`has a writer wait rather than go on, failed ${when}`, async () => {
      const said: unknown[] = []
      await respond(commit, res => {
        said.push(res.write(BIG))
        res.end()
      })
      expect(said).toEqual([false])
    })
  }

  it('destroys what was piped, after the error response', async () => {
    const source = new Readable({ highWaterMark: 1000, read: () => source.push(Buffer.alloc(1000)) })
    const got = await respond(failures.later, res => source.pipe(res))
    expect(got.text).toBe('down')
    await sleep(10)
    expect(source.destroyed).toBe(true)
  })

  it('leaves the request alone when that is what was piped', async () => {
    await using server = await serve((req, res) => {
      holdResponse(res, failures.later, () => res.end('down'))
      req.pipe(res)
    })
    const got = await request(server.url, { method: 'POST', body: 'x'.repeat(500_000) })
    expect(got.text).toBe('down')
  })

  for (const [when, commit] of Object.entries(failures)) {
    it(`is free of what its handler has corked and of its trailers, failed ${when}`, async () => {
      await using server = await serve(async (_req, res) => {
        holdResponse(res, commit, () => {
          res.statusCode = 503
          res.write('do')
          res.end('wn')
        })
        res.write('a')
        res.cork()
        res.addTrailers({ 'X-Sum': '7' })
      })
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
      socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
      let text = ''
      for await (const chunk of socket) text += chunk
      expect(text).toMatch(/^HTTP\/1.1 503 [\s\S]*\r\n\r\n2\r\ndo\r\n2\r\nwn\r\n0\r\n\r\n$/)
    })
  }

  for (const [when, commit] of Object.entries(failures)) {
    for (const [speed, inner] of Object.entries(commits)) {
      it(`keeps the cookies of gates further in, failed ${when}, those committed ${speed}`, async () => {
        await using server = await serve((_req, res) => {
          holdResponse(
            res,
            () => ({ ...NOTHING, setCookies: ['outermost=1'] }),
            () => expect.unreachable(),
          )
          holdResponse(res, commit, error => sendMessage(res, (error as Error).message))
          for (const name of ['inner', 'innermost']) {
            holdResponse(
              res,
              async () => ({ ...(await inner()), setCookies: [`${name}=1`] }),
              () => expect.unreachable(),
            )
          }
          res.setHeader('X-Page', '1')
          res.end('page')
        })
        const got = await request(server.url)
        expect([got.status, got.text, got.headers['x-page']]).toEqual([503, 'down', undefined])
        expect(got.setCookies).toEqual(['innermost=1', 'inner=1', 'outermost=1'])
        expect(got.headers).toMatchObject({ vary: 'Cookie', 'cache-control': 'private' })
      })
    }
  }

  it('survives a handler that continues to write', async () => {
    const got = await respond(failures.later, async res => {
      res.write('a')
      for (let i = 0; i < 20; i++) {
        await sleep(5)
        res.write('more')
      }
      res.end()
    })
    expect(got.text).toBe('down')
    expect(got.status).toBe(503)
  })

  it('keeps out what the handler writes before the error response', async () => {
    await using server = await serve((_req, res) => {
      const sendLater = async (error: unknown): Promise<void> => {
        await sleep(50)
        res.statusCode = (error as SessionStoreError).status
        res.end('down')
      }
      holdResponse(res, failures.later, sendLater)
      res.write('a')
      setTimeout(() => res.write('too early', error => expect(error?.message).toBe('down')), 40)
      setTimeout(() => res.end('too late'), 70)
    })
    const got = await request(server.url)
    expect([got.status, got.text, got.setCookies]).toEqual([503, 'down', []])
  })

  describe('keeps out what its handler writes after a source', () => {
    const writes: Record<string, Handler> = {
      'an end with bytes': res => res.end('footer'),
      'the next source': res => Readable.from(['next']).pipe(res),
    }
    for (const [when, commit] of Object.entries(failures)) {
      for (const [what, write] of Object.entries(writes)) {
        it(`${what}, failed ${when}`, async () => {
          await using server = await serve(async (_req, res) => {
            holdResponse(res, commit, async error => {
              await sleep(60)
              res.statusCode = (error as SessionStoreError).status
              res.end('down')
            })
            const source = Readable.from(['page'])
            source.pipe(res, { end: false })
            await once(source, 'end')
            await sleep(40)
            write(res)
          })
          const got = await request(server.url)
          expect([got.status, got.text]).toEqual([503, 'down'])
        })
      }
    }
  })

  for (const [when, commit] of Object.entries(failures)) {
    it(`does not wake its handler with the drain of the error response, failed ${when}`, async () => {
      await using server = await serve(async (_req, res) => {
        holdResponse(res, commit, error => {
          res.statusCode = (error as SessionStoreError).status
          createReadStream(file).pipe(res)
        })
        for (let i = 0; i < 100; i++) if (!res.write(PAGE)) await once(res, 'drain')
      })
      const got = await request(server.url)
      expect([got.status, got.body.equals(BIG)]).toEqual([503, true])
    })
  }

  it('keeps the handler out also when `onFailure` throws', async () => {
    await using server = await serve((_req, res) => {
      const throwing = (_committed: unknown, failed: (error: unknown) => void): void =>
        expect(() => failed(new SessionStoreError('down'))).toThrow('thrown by onFailure')
      holdResponse(
        res,
        () => ({ then: (...args: never[]) => setTimeout(throwing, 0, ...args) }) as never,
        () => {
          throw new Error('thrown by onFailure')
        },
      )
      res.write('a')
      setTimeout(() => res.write('page'), 10)
      setTimeout(() => {
        res.statusCode = 500
        res.end('error page')
      }, 20)
    })
    const got = await request(server.url)
    expect([got.status, got.text]).toEqual([500, 'error page'])
  })

  for (const [when, commit] of Object.entries(failures)) {
    it(`looks to the handler that runs on as if it had left, and nothing it does stays, failed ${when}`, async () => {
      const seen: unknown[] = []
      const got = await respond(commit, res => {
        res.write('page')
        seen.push(res.headersSent, res.writableEnded)
        expect(() => res.setHeader('X-Late', '1')).toThrow(
          expect.objectContaining({ code: 'ERR_HTTP_HEADERS_SENT' }),
        )
        res.statusCode = 200
        res.end('more')
        seen.push(res.headersSent, res.writableEnded)
      })
      expect(seen).toEqual([true, false, true, true])
      expect([got.status, got.text, got.failed.length]).toEqual([503, 'down', 1])
      expect(got.headers).not.toHaveProperty('x-late')
    })
  }

  it.each(['statusCode', 'setHeader', 'writeHead'])(
    'lets an error response that comes later begin with %s',
    async begin => {
      await using server = await serve((_req, res) => {
        holdResponse(res, failures['at once'], async () => {
          await sleep(20)
          if (begin === 'statusCode') res.statusCode = 502
          else if (begin === 'setHeader') res.setHeader('X-A', '1')
          else res.writeHead(502)
          res.end('down')
        })
        res.writeHead(200)
        res.write('page')
        setTimeout(() => res.write('more'), 10)
      })
      const got = await request(server.url)
      expect([got.status, got.text]).toEqual([begin === 'setHeader' ? 503 : 502, 'down'])
    },
  )

  it("keeps the page out of an error page that waits for the request's end", async () => {
    await using server = await serve((req, res) => {
      holdResponse(res, failures['at once'], error => {
        req.resume().once('end', () => {
          res.removeHeader('X-Powered-By')
          res.end((error as Error).message)
        })
      })
      res.writeHead(200).end('page')
    })
    const got = await request(server.url, { method: 'POST', body: 'x'.repeat(100_000) })
    expect([got.status, got.text]).toEqual([503, 'down'])
  })

  it('sends the error response of an inner gate through the outer one', async () => {
    const statuses: Record<string, number[]> = { outer: [], inner: [] }
    await using server = await serve((_req, res) => {
      const hold = (name: 'outer' | 'inner', commit: () => Promise<CommitResult>): void => {
        holdResponse(
          res,
          status => {
            statuses[name]!.push(status)
            return commit()
          },
          error => sendMessage(res, `${name}: ${(error as Error).message}`),
        )
      }
      hold('outer', async () => ({ ...NOTHING, setCookies: ['outer=1'] }))
      hold('inner', failures.later)
      res.end('ok')
    })
    const got = await request(server.url)
    expect(got.text).toBe('inner: down')
    expect(got.setCookies).toEqual(['outer=1'])
    expect(statuses).toEqual({ outer: [503], inner: [200] })
  })

  it('keeps the handler out of the second error response when nested gates both fail', async () => {
    const written: unknown[] = []
    await using server = await serve(async (_req, res) => {
      const sendLater = async (error: unknown): Promise<void> => {
        await sleep(40)
        res.statusCode = (error as SessionStoreError).status
        res.end('down')
      }
      holdResponse(res, failures.later, sendLater)
      // The first error response begins the response again, and the second failure drops it.
      holdResponse(res, failures['at once'], () => res.writeHead(500).end('inner: down'))
      res.write('page')
      await sleep(30)
      res.end('more', (error?: Error) => written.push(error?.message))
    })
    const got = await request(server.url)
    expect([got.status, got.text, written]).toEqual([503, 'down', ['down']])
  })
})

describe('a framework that commits itself', () => {
  /** A framework that commits when its handler is done and responds after that, to an error with its message. */
  async function framework(
    commit: () => CommitResult | Promise<CommitResult>,
    handler: Handler,
  ): Promise<HttpResponse & { heard: string[] }> {
    const heard: string[] = []
    let body: string | undefined
    await using server = await serve(async (_req, res) => {
      res.setHeader('X-Before', 'kept')
      const gate = holdResponse(
        res,
        () => {
          heard.push('commit')
          return commit()
        },
        error => heard.push(`failed: ${(error as Error).message}`),
        () => {
          heard.push('forget')
          body = undefined
          res.statusCode = 404
          res.setHeader('X-After', 'gone')
          res.removeHeader('X-Before')
        },
      )
      res.setHeader('X-After', 'gone')
      body = 'body'
      const handling = handler(res)
      try {
        await gate.commit(200)
      } catch (error) {
        expect([body, res.statusCode, res.getHeaders()]).toEqual([undefined, 503, { 'x-before': 'kept' }])
        await handling
        res.setHeader('Content-Type', 'text/plain')
        body = (error as Error).message
      }
      if (!res.writableEnded) res.end(body)
    })
    return Object.assign(await request(server.url), { heard })
  }

  for (const [when, commit] of Object.entries(commits)) {
    it(`adds the headers when the response leaves, committed ${when}`, async () => {
      const got = await framework(commit, () => undefined)
      expect([got.status, got.text, got.setCookies]).toEqual([200, 'body', [COOKIE]])
      expect(got.headers).toMatchObject({ 'x-before': 'kept', 'x-after': 'gone', vary: 'Cookie' })
      expect(got.heard).toEqual(['commit'])
    })
  }

  for (const [when, commit] of Object.entries(failures)) {
    it(`throws the failure and does not call onFailure, failed ${when} [F2]`, async () => {
      const got = await framework(commit, () => undefined)
      expect([got.status, got.text, got.setCookies]).toEqual([503, 'down', []])
      expect(got.heard).toEqual(['commit', 'forget'])
    })
  }

  it('waits for the same commit as what is written meanwhile', async () => {
    const saved = Promise.withResolvers<CommitResult>()
    const got = await framework(
      () => saved.promise,
      res => {
        // After the framework has asked for the commit.
        setImmediate(() => {
          res.end('meanwhile')
          saved.resolve(SAVED)
        })
      },
    )
    expect([got.status, got.text, got.setCookies]).toEqual([200, 'meanwhile', [COOKIE]])
    expect(got.heard).toEqual(['commit', 'commit'])
  })

  it('drops what is written meanwhile, and what the handler writes later [F2]', async () => {
    const failed = Promise.withResolvers<never>()
    const written: unknown[] = []
    const got = await framework(
      () => failed.promise,
      res => {
        setImmediate(() => {
          res.write('meanwhile', error => {
            written.push(error?.message)
            res.end('later', () => written.push('end'))
          })
          failed.reject(new SessionStoreError('down'))
        })
      },
    )
    expect([got.status, got.text, got.setCookies]).toEqual([503, 'down', []])
    expect(got.heard).toEqual(['commit', 'commit', 'forget'])
    expect(written).toEqual(['down', 'end'])
  })
})

describe('HTTP/2, compatibility API', () => {
  async function respond2(commit: () => CommitResult | Promise<CommitResult>, handler: Handler) {
    const server = http2.createServer((_req, res) => {
      res.setHeader('X-Before', 'kept')
      holdResponse(res, commit, error => sendMessage(res, (error as Error).message))
      handler(res as never)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = http2.connect(`http://127.0.0.1:${(server.address() as { port: number }).port}`)
    try {
      const stream = client.request({ ':path': '/' })
      const [headers] = await once(stream, 'response')
      const chunks: Buffer[] = []
      for await (const chunk of stream) chunks.push(chunk)
      return { headers, body: Buffer.concat(chunks) }
    } finally {
      client.close()
      server.close()
      await once(server, 'close')
    }
  }

  for (const [when, commit] of Object.entries(commits)) {
    for (const [way, { handler, status = 200, body = '', method }] of Object.entries(ways)) {
      if (method) continue
      it(`${way}, committed ${when} [F27]`, async () => {
        const got = await respond2(commit, handler)
        expect(got.headers).toMatchObject({
          ':status': status,
          'set-cookie': [COOKIE],
          vary: 'Cookie',
          'x-before': 'kept',
        })
        expect(got.body.equals(Buffer.from(body))).toBe(true)
      })
    }
  }
  for (const [when, commit] of Object.entries(failures)) {
    for (const way of ['end with a body', 'write, then end', 'a pipe that is far bigger than the buffers']) {
      it(`${way}, failed ${when} [F2]`, async () => {
        const got = await respond2(commit, ways[way]!.handler)
        expect(got.headers[':status']).toBe(503)
        expect(got.headers).not.toHaveProperty('set-cookie')
        expect(got.body.toString()).toBe('down')
      })
    }
  }
})

it.each([
  [{ status: 404 }, 404],
  [{ statusCode: 404 }, 404],
  [{ status: 418, statusCode: 404 }, 418],
  [{ status: 200, statusCode: 404 }, 404],
  [{ status: '404' }, 500],
  [{ status: 600 }, 500],
  [{ status: 399 }, 500],
  ['404', 500],
  [null, 500],
  [undefined, 500],
])('errorStatus is that of finalhandler: %j is %i', (error, status) => {
  expect(errorStatus(error)).toBe(status)
})
