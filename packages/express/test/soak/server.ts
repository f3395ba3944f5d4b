// One contestant of the soak as a process: `server.ts none|sqlite|redis [file or URL]`. Its parent asks it for figures.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Store } from '@sess/core'
import { session } from '@sess/express'
import { redisStore } from '@sess/store-redis'
import { sqliteStore } from '@sess/store-sql'
import express, { type RequestHandler } from 'express'
import { createClient } from 'redis'

/** What a contestant has used since the last sample. */
export interface Sample {
  /** Bytes in use after a garbage collection. */
  heap: number
  /** Bytes of resident memory. */
  rss: number
  /** Milliseconds that the event loop was late: at the 99th percentile, and at the worst. */
  delay: number
  worstDelay: number
  /** Errors that nobody handled. */
  unhandled: number
}

const [kind, place = ''] = process.argv.slice(2)

async function openStore(): Promise<Store | undefined> {
  if (kind === 'sqlite') return sqliteStore(place)
  if (kind === 'redis') return redisStore(await createClient({ url: place }).connect())
  return undefined
}

const store = await openStore()
const app = express()
app.set('env', 'test')
let sent = 0
app.use((_req, res, next) => {
  const { writeHead } = res
  res.writeHead = (...args: unknown[]) => {
    res.setHeader('X-Sent', ++sent)
    return (writeHead as (...args: unknown[]) => typeof res).apply(res, args)
  }
  next()
})
if (store) app.use(session({ store, saveEveryRequest: { touchAfter: 1 } }))

const add: RequestHandler = (req, res) => {
  req.session?.update('count', (count: unknown) => ((count as number | undefined) ?? 0) + 1)
  res.json({})
}
app.get('/untouched', (_req, res) => void res.send('ok'))
app.get('/read', (req, res) => void res.json({ count: req.session?.get('count') ?? 0 }))
app.post('/add', add)
app.post('/slow-add', async (req, res, next) => {
  await sleep(15)
  await add(req, res, next)
})
app.post('/login', (req, res) => {
  req.session?.cycleKey()
  if (req.session) req.session.subject = String(req.query['user'])
  res.json({})
})
app.post('/logout', (req, res) => {
  req.session?.flush()
  res.json({})
})
app.get('/stream', async (req, res) => {
  req.session?.get('count')
  for (let chunk = 0; chunk < 3; chunk++) {
    res.write('x'.repeat(1000))
    await sleep(5)
  }
  res.end()
})

let unhandled = 0
process.on('unhandledRejection', () => unhandled++)
process.on('uncaughtException', () => unhandled++)
const delays = monitorEventLoopDelay({ resolution: 10 })
delays.enable()

process.on('message', () => {
  const [delay, worstDelay] = [delays.percentile(99) / 1e6, delays.max / 1e6]
  gc!()
  const { heapUsed: heap, rss } = process.memoryUsage()
  process.send!({ heap, rss, delay, worstDelay, unhandled } satisfies Sample)
  delays.reset()
})
process.on('disconnect', () => process.exit())

const server = createServer(app)
// On a busy machine a visitor may reuse a connection just when the server closes it. That is no fault of sessions.
server.keepAliveTimeout = 0
server.listen(0, '127.0.0.1', () => {
  process.send!(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
