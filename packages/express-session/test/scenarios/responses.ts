import { Readable } from 'node:stream'
import type { Scenarios } from '../scenario.ts'
import type { Handler } from '../world.ts'

const change = (req: any): void => {
  req.session.n = (req.session.n ?? 0) + 1
}

const HANDLERS: Record<string, Handler> = {
  'res.end()': (_req, res) => res.end(),
  'res.end(text)': (_req, res) => res.end('hello'),
  'res.end(null)': (_req, res) => res.end(null),
  'res.end(Buffer)': (_req, res) => res.end(Buffer.from('hello')),
  'res.end(text, encoding)': (_req, res) => res.end('aGVsbG8=', 'base64'),
  'res.end(text) twice': (_req, res) => {
    res.end('hello')
    res.end('again')
  },
  'res.write and res.end': (_req, res) => {
    res.write('hello, ')
    res.end('world')
  },
  'res.write and res.end, with a length': (_req, res) => {
    res.setHeader('Content-Length', '12')
    res.write('hello, ')
    res.end('world')
  },
  'res.end with a length': (_req, res) => {
    res.setHeader('Content-Length', 5)
    res.end('hello')
  },
  'an empty body with a length': (_req, res) => {
    res.setHeader('Content-Length', 0)
    res.end()
  },
  'res.write, and res.end later': (_req, res) => {
    res.write('hello, ')
    setTimeout(() => res.end('world'), 20)
  },
  'res.write with an encoding and a callback': (_req, res) => {
    res.write('aGVsbG8=', 'base64', () => res.end('!'))
  },
  'res.writeHead': (_req, res) => {
    res.writeHead(201, { 'X-Own': 'yes' })
    res.end('created')
  },
  'res.writeHead with a message': (_req, res) => {
    res.writeHead(201, 'Made', { 'X-Own': 'yes' })
    res.end('created')
  },
  'res.writeHead with a cookie': (_req, res) => {
    res.writeHead(200, { 'Set-Cookie': 'a=1' })
    res.end('ok')
  },
  'a cookie of its own': (_req, res) => {
    res.setHeader('Set-Cookie', 'a=1')
    res.end('ok')
  },
  'several cookies of its own': (_req, res) => {
    res.setHeader('Set-Cookie', ['a=1', 'b=2'])
    res.end('ok')
  },
  'res.flushHeaders': (_req, res) => {
    res.flushHeaders()
    res.end('ok')
  },
  'a piped stream': (_req, res) => {
    Readable.from(['one ', 'two ', 'three']).pipe(res)
  },
  'a status without a body': (_req, res) => {
    res.statusCode = 204
    res.end()
  },
  'a status of 304': (_req, res) => {
    res.statusCode = 304
    res.end()
  },
  'a status of 404': (_req, res) => {
    res.statusCode = 404
    res.end('no')
  },
  'a status of 500': (_req, res) => {
    res.statusCode = 500
    res.end('broken')
  },
  'a redirect': (_req, res) => {
    res.writeHead(302, { Location: '/next' })
    res.end()
  },
  'an error passed on': (_req, _res, next) => next(Object.assign(new Error('no tea'), { status: 418 })),
  'a change after the first byte': (req, res) => {
    res.write('hello, ')
    setTimeout(() => {
      req.session.late = true
      res.end('world')
    }, 20)
  },
}

/** Every way to respond, from a request that changes its session. */
export const responses: Scenarios = {
  ...Object.fromEntries(
    Object.entries(HANDLERS).map(([name, handler]): [string, Scenarios[string]] => [
      name,
      async w => {
        const store = w.store({ quiet: true })
        const { get } = await w.serve({ store, cookie: { maxAge: 60_000 } }, (req, res, next) => {
          change(req)
          return handler(req, res, next)
        })
        await get()
        await get()
        w.noteStored(store)
      },
    ]),
  ),
  "Express's ways": async w => {
    const store = w.store({ quiet: true })
    const { get } = await w.serve(
      { store },
      (req, res) => {
        change(req)
        if (req.url === '/json') res.json(req.session)
        else if (req.url === '/redirect') res.redirect('/next')
        else if (req.url === '/status') res.sendStatus(403)
        else if (req.url === '/throw') throw new Error('thrown')
        else if (req.url === '/cookie') res.cookie('own', '1').send('ok')
        else res.status(202).send('<p>ok</p>')
      },
      { express: true },
    )
    for (const path of ['/', '/json', '/redirect', '/status', '/throw', '/cookie']) await get(path)
    w.noteStored(store)
  },
  'res.end and res.write that others have wrapped before': async w => {
    const { get } = await w.serve(
      {},
      (req, res) => {
        change(req)
        res.write('hello, ')
        res.end('world')
      },
      { before: [wrap] },
    )
    await get()
    await get()
  },
  'res.end and res.write that others wrap after': async w => {
    const { get } = await w.serve({}, (req, res) =>
      wrap(req, res, () => {
        change(req)
        res.write('hello, ')
        res.end('world')
      }),
    )
    await get()
    await get()
  },
  'all methods': async w => {
    const { call } = await w.serve({}, (req, res) => {
      change(req)
      res.end(String(req.session.n))
    })
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD'])
      await call('/', { method })
  },
  'many requests at the same time, of many visitors': async w => {
    const { url } = await w.serve({}, (req, res) => {
      change(req)
      setTimeout(() => res.end(String(req.session.n)), Math.random() * 5)
    })
    const bodies = await Promise.all(Array.from({ length: 30 }, async () => (await fetch(url)).text()))
    w.note(bodies)
  },
}

/** What a test of express-session would call a write patch: it fails if something is written after the end. */
function wrap(_req: any, res: any, next: () => void): void {
  const { end, write } = res
  let isEnded = false
  res.end = function (...args: any[]) {
    isEnded = true
    return end.apply(this, args)
  }
  res.write = function (...args: any[]) {
    if (isEnded) throw new Error('write after end')
    return write.apply(this, args)
  }
  next()
}
