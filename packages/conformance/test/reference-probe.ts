import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSessions, type Session, type Sessions, type SessionsOptions } from '@sess/core'
import { privateCache, varyByCookie } from '@sess/core/adapter'
import type { AdapterSetup } from '../src/adapter-cases/fixture.ts'
import { memoryStore } from '../src/memory-store.ts'

/** What a handler answers with. Nothing of it leaves before the session is committed. */
export interface Reply {
  status: number
  headers: Record<string, string | string[]>
  body: string | AsyncIterable<string>
}

export type Out = Awaited<ReturnType<Sessions['commit']>>

/** An HTTP error as frameworks have them. */
class HttpError extends Error {
  readonly status: number
  constructor(status: number) {
    super(`status ${status}`)
    this.status = status
  }
}

/** The status that the app's own error handler answers an error with. */
const mapped = new WeakMap<object, number>()

/** The adapter for bare `node:http`, step by step, so that each step can be got wrong. */
export class ReferenceAdapter {
  readonly sessions: Sessions
  readonly #requests = new WeakMap<Session, IncomingMessage>()

  constructor(sessions: Sessions) {
    this.sessions = sessions
  }

  async handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const session = this.open(req)
    this.#requests.set(session, req)
    let reply = await this.reply(req, session)
    let out: Out
    try {
      out = await this.commit(session, reply)
    } catch (error) {
      reply = this.failed(error)
      out = await this.commit(session, reply)
    }
    await this.send(res, reply, out)
  }

  open(req: IncomingMessage): Session {
    return this.sessions.open(req.headers.cookie)
  }

  async reply(req: IncomingMessage, session: Session): Promise<Reply> {
    try {
      await this.load(session)
      return await respond(
        this.sessions,
        session,
        // Node drops the body of an answer to HEAD by itself.
        req.method === 'HEAD' ? 'GET' : (req.method ?? 'GET'),
        new URL(req.url ?? '/', 'http://probe'),
      )
    } catch (error) {
      return this.failed(error)
    }
  }

  async load(session: Session): Promise<void> {
    if (!this.sessions.lazy) await session.load()
  }

  async commit(session: Session, { status }: Reply): Promise<Out> {
    return await this.sessions.commit(session, { status, secure: false, target: () => this.target(session) })
  }

  target(session: Session): { host?: string | undefined; path?: string | undefined } {
    const req = this.#requests.get(session)
    return { host: req?.headers.host, path: req?.url }
  }

  failed(error: unknown): Reply {
    const { status: own = 500 } = error as { status?: number }
    const status = mapped.get(error as object) ?? own
    return { status, headers: {}, body: `error ${status}` }
  }

  async send(res: ServerResponse, reply: Reply, out: Out): Promise<void> {
    res.writeHead(reply.status, this.headers(reply, out))
    await this.write(res, reply)
  }

  headers({ headers }: Reply, { setCookies, vary, private: isPrivate }: Out): Reply['headers'] {
    const merged = { ...headers }
    if (setCookies.length > 0) merged['set-cookie'] = [...[headers['set-cookie'] ?? []].flat(), ...setCookies]
    if (vary) merged['vary'] = varyByCookie(headers['vary']?.toString())
    if (isPrivate) merged['cache-control'] = privateCache(headers['cache-control']?.toString())
    return merged
  }

  async write(res: ServerResponse, { status, body }: Reply): Promise<void> {
    if (status === 204 || status === 304) res.end()
    else if (typeof body === 'string') res.end(body)
    else {
      for await (const chunk of body) res.write(chunk)
      res.end()
    }
  }
}

/** The routes of the probe app. */
async function respond(sessions: Sessions, session: Session, method: string, url: URL): Promise<Reply> {
  const query = url.searchParams
  const key = query.get('k') ?? ''
  const value = parsed(query.get('v') ?? '')
  const wait = () => sleep(Number(query.get('wait') ?? 0))
  const json = (own: object = {}, status = 200): Reply => {
    const { sessionKey, accessed, modified, isEmpty } = session
    const body = JSON.stringify({ ...own, sessionKey, accessed, modified, isEmpty })
    return { status, headers: { 'content-type': 'application/json' }, body }
  }
  const [, route = '', code] = url.pathname.split('/')
  switch (`${method} /${route}`) {
    case 'GET /none':
      return { status: 200, headers: {}, body: 'ok' }
    case 'GET /who':
      return json()
    case 'GET /get':
      return json({ value: session.get(key) })
    case 'GET /all':
      return json({ data: session.toJSON() })
    case 'POST /set':
      session.set(key, value)
      return json()
    case 'POST /delete':
      session.delete(key)
      return json()
    case 'POST /pop':
      return json({ value: session.pop(key) })
    case 'POST /clear':
      session.clear()
      return json()
    case 'POST /flush':
      session.flush()
      return json()
    case 'POST /cycle':
      session.cycleKey()
      return json()
    case 'POST /push':
      session.get(key).push(value)
      return json()
    case 'POST /append':
      session.get(key)
      await wait()
      session.update(key, (list = []) => [...list, value])
      return json()
    case 'POST /setslow':
      session.get(key)
      await wait()
      session.set(key, value)
      return json()
    case 'POST /expiry':
      if (query.has('date')) session.setExpiry(new Date(query.get('date') ?? ''))
      else session.setExpiry(query.has('reset') ? null : Number(query.get('seconds')))
      return json({
        age: session.getExpiryAge(),
        date: session.getExpiryDate(),
        atBrowserClose: session.getExpireAtBrowserClose(),
      })
    case 'POST /login':
      session.cycleKey()
      session.set('user', query.get('user') ?? '')
      session.subject = query.get('user')
      return json()
    case 'POST /logout-everywhere':
      if (session.subject !== null) await sessions.removeBySubject(session.subject)
      if (query.has('k')) session.set(key, value)
      else session.flush()
      return json()
    case 'POST /status':
      session.set(key, value)
      return json({}, Number(code))
    case 'POST /throw': {
      session.set(key, value)
      const own = query.get('status')
      const error = own === null ? new Error('thrown by the probe') : new HttpError(Number(own))
      if (query.has('mapped')) mapped.set(error, Number(query.get('mapped')))
      throw error
    }
    case 'POST /redirect':
      session.set(key, value)
      return { status: 303, headers: { location: `/get?k=${encodeURIComponent(key)}` }, body: '' }
    case 'POST /stream':
      session.set(key, value)
      return { status: 200, headers: {}, body: chunks(Number(query.get('chunks')), wait) }
    case 'GET /latestream':
      return { status: 200, headers: {}, body: changedLate(session, key, value) }
    case 'POST /flash':
      session.flash('notice', value)
      return json()
    case 'GET /flash':
      return json({ value: session.flash('notice') })
    case 'POST /own-headers': {
      session.set(key, value)
      const own = {
        'set-cookie': ['own=1'],
        vary: query.get('vary') ?? '',
        'cache-control': query.get('cache') ?? '',
      }
      const reply = json()
      return { ...reply, headers: { ...reply.headers, ...own } }
    }
    default:
      throw new HttpError(404)
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

async function* chunks(count: number, wait: () => Promise<unknown>): AsyncGenerator<string> {
  for (let n = 0; n < count; n++) {
    if (n > 0) await wait()
    yield `chunk ${n}\n`
  }
}

async function* changedLate(session: Session, key: string, value: unknown): AsyncGenerator<string> {
  yield 'chunk 0\n'
  await sleep(5)
  try {
    session.set(key, value)
    yield 'no error'
  } catch (error) {
    yield String((error as { code?: string }).code)
  }
}

/** Starts the reference probe, or a broken one, on a free port. */
export async function startReference(
  options: Partial<SessionsOptions> = {},
  Adapter: typeof ReferenceAdapter = ReferenceAdapter,
): Promise<AdapterSetup> {
  const sessions = createSessions({ store: memoryStore(), ...options })
  const adapter = new Adapter(sessions)
  const server = createServer((req, res) => {
    adapter.handle(req, res).catch(error => {
      if (!res.headersSent) res.writeHead(500)
      if (!res.writableEnded) res.end(String(error))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
