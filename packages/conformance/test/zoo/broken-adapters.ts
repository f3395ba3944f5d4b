import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Session } from '@sess/core'
import type { Reply } from '../reference-app.ts'
import { type Out, ReferenceAdapter } from '../reference-probe.ts'

/** An adapter with one plausible mistake. */
export interface BrokenAdapter {
  id: string
  Adapter: typeof ReferenceAdapter
}

const nothing: Out = { setCookies: [], vary: false, private: false }
const cookieOf = (req: IncomingMessage) => req.headers.cookie

export const brokenAdapters: readonly BrokenAdapter[] = [
  // --- opening and loading
  {
    id: 'open: the key may be in the URL',
    Adapter: class extends ReferenceAdapter {
      override open(req: IncomingMessage) {
        const key = new URL(req.url ?? '/', 'http://probe').searchParams.get('sessionid')
        return this.sessions.open(cookieOf(req) ?? (key ? `sessionid=${key}` : undefined))
      }
    },
  },
  {
    id: 'open: the key may be in a header of its own',
    Adapter: class extends ReferenceAdapter {
      override open(req: IncomingMessage) {
        const { 'x-session-id': key } = req.headers
        return this.sessions.open(cookieOf(req) ?? (key ? `sessionid=${key}` : undefined))
      }
    },
  },
  {
    id: 'send: the body becomes JSON after the commit',
    Adapter: class extends ReferenceAdapter {
      override withBody(reply: Reply) {
        return reply
      }
      override async write(res: ServerResponse, reply: Reply) {
        await super.write(res, super.withBody(reply))
      }
    },
  },
  {
    id: 'open: no header is handed over',
    Adapter: class extends ReferenceAdapter {
      override client(req: IncomingMessage) {
        return { request: req, header: () => undefined }
      }
    },
  },
  {
    id: 'send: the key of a header is sent as a cookie, too',
    Adapter: class extends ReferenceAdapter {
      override async commit(session: Session, reply: Reply) {
        const out = await super.commit(session, reply)
        const key = out.headers?.['x-session']
        return key ? { ...out, setCookies: [`sessionid=${key}; Path=/; HttpOnly`] } : out
      }
    },
  },
  {
    id: 'send: Vary is always Cookie',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, { varyBy: _, ...known }: Out) {
        return super.headers(reply, known)
      }
    },
  },
  {
    id: 'open: the cookie cannot depend on the request',
    Adapter: class extends ReferenceAdapter {
      override open(req: IncomingMessage) {
        return this.sessions.open(cookieOf(req))
      }
    },
  },
  {
    id: 'open: one object stands for all requests',
    Adapter: class extends ReferenceAdapter {
      readonly #request = {}
      override open(req: IncomingMessage) {
        return this.sessions.open(cookieOf(req), { ...this.client(req), request: this.#request })
      }
    },
  },
  {
    id: 'send: no other fields than Set-Cookie, Vary and Cache-Control are known',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, { headers: _, ...known }: Out) {
        return super.headers(reply, known)
      }
    },
  },
  {
    id: 'open: an object that takes every assignment stands in front of the session',
    Adapter: class extends ReferenceAdapter {
      readonly #sessions = new WeakMap<Session, Session>()
      override open(req: IncomingMessage) {
        const session = super.open(req)
        const get = (own: object, name: string | symbol) => {
          const member = Reflect.get(name in own ? own : session, name)
          return typeof member === 'function' ? member.bind(session) : member
        }
        const front = new Proxy({}, { get }) as Session
        this.#sessions.set(front, session)
        return front
      }
      override async commit(session: Session, reply: Reply) {
        return await super.commit(this.#sessions.get(session) ?? session, reply)
      }
    },
  },
  {
    id: 'commit: the response does not wait for a slow store',
    Adapter: class extends ReferenceAdapter {
      override async commit(session: Session, reply: Reply) {
        const committing = super.commit(session, reply)
        committing.catch(() => undefined)
        return await Promise.race([committing, sleep(10).then(() => nothing)])
      }
    },
  },
  {
    id: 'failed: only an error that comes at once has a response',
    Adapter: class extends ReferenceAdapter {
      override async commit(session: Session, reply: Reply) {
        const began = performance.now()
        try {
          return await super.commit(session, reply)
        } catch (error) {
          if (performance.now() - began < 10) throw error
          return await new Promise<never>(() => undefined)
        }
      }
    },
  },
  {
    id: 'commit: what is thrown after the response counts as its status',
    Adapter: class extends ReferenceAdapter {
      override async commit(session: Session, reply: Reply) {
        return await super.commit(session, reply.thenThrow ? { ...reply, status: 500 } : reply)
      }
    },
  },
  {
    id: 'upgrade: nobody asks what is not saved',
    Adapter: class extends ReferenceAdapter {
      override unsaved() {
        return ''
      }
    },
  },
  {
    id: 'send: a redirect carries the key on in its URL',
    Adapter: class extends ReferenceAdapter {
      override async handle(req: IncomingMessage, res: ServerResponse) {
        const key = /sessionid=([^;]+)/.exec(cookieOf(req) ?? '')?.[1]
        const end = res.writeHead.bind(res) as (
          status: number,
          headers: Record<string, unknown>,
        ) => ServerResponse
        res.writeHead = ((status: number, headers: Record<string, string>) => {
          const { location } = headers
          return end(
            status,
            location && key ? { ...headers, location: `${location}&session=${key}` } : headers,
          )
        }) as ServerResponse['writeHead']
        await super.handle(req, res)
      }
    },
  },
  {
    id: 'open: the cookie is not handed over',
    Adapter: class extends ReferenceAdapter {
      override open() {
        return this.sessions.open(undefined)
      }
    },
  },
  {
    id: 'open: one session for everybody',
    Adapter: class extends ReferenceAdapter {
      #session: Session | undefined
      override open(req: IncomingMessage) {
        this.#session = cookieOf(req) || !this.#session ? super.open(req) : this.#session
        return this.#session
      }
    },
  },
  {
    id: 'open: the session is kept on the connection',
    Adapter: class extends ReferenceAdapter {
      #cookies = new WeakMap<object, string>()
      override open(req: IncomingMessage) {
        const cookie = cookieOf(req) ?? this.#cookies.get(req.socket)
        if (cookie) this.#cookies.set(req.socket, cookie)
        return this.sessions.open(cookie)
      }
      override async send(res: ServerResponse, reply: Reply, out: Out) {
        const [cookie] = out.setCookies
        if (cookie && res.socket) this.#cookies.set(res.socket, cookie.split(';')[0] ?? '')
        await super.send(res, reply, out)
      }
    },
  },
  {
    id: 'open: one session object for each cookie',
    Adapter: class extends ReferenceAdapter {
      #sessions = new Map<string, Session>()
      override open(req: IncomingMessage) {
        const cookie = cookieOf(req)
        if (!cookie) return super.open(req)
        const session = this.#sessions.get(cookie) ?? super.open(req)
        this.#sessions.set(cookie, session)
        setTimeout(() => this.#sessions.delete(cookie), 1_000).unref()
        return session
      }
    },
  },
  {
    id: 'open: the session is a variable that requests share',
    Adapter: class extends ReferenceAdapter {
      #current: Session | undefined
      override open(req: IncomingMessage) {
        this.#current = super.open(req)
        return this.#current
      }
      override async commit(session: Session, reply: Reply) {
        return await super.commit(this.#current ?? session, reply)
      }
    },
  },
  {
    id: 'open: a cookie parser that keeps the last of a name',
    Adapter: class extends ReferenceAdapter {
      override open(req: IncomingMessage) {
        const pairs = (cookieOf(req) ?? '').split('; ').map(pair => pair.split('=') as [string, string])
        const jar = new Map(pairs)
        return this.sessions.open([...jar].map(pair => pair.join('=')).join('; '))
      }
    },
  },
  {
    id: 'open: the cookie header is percent-decoded',
    Adapter: class extends ReferenceAdapter {
      override open(req: IncomingMessage) {
        return this.sessions.open(decodeURIComponent(cookieOf(req) ?? ''))
      }
      override async handle(req: IncomingMessage, res: ServerResponse) {
        try {
          await super.handle(req, res)
        } catch (error) {
          await this.send(res, this.failed(error), nothing)
        }
      }
    },
  },
  {
    id: 'open: only the first cookie is looked at',
    Adapter: class extends ReferenceAdapter {
      override open(req: IncomingMessage) {
        return this.sessions.open(cookieOf(req)?.split(';')[0])
      }
    },
  },
  {
    id: 'load: not at all',
    Adapter: class extends ReferenceAdapter {
      override async load() {
        return
      }
    },
  },
  {
    id: 'load: also when lazy',
    Adapter: class extends ReferenceAdapter {
      override async load(session: Session) {
        await session.load()
      }
    },
  },
  {
    id: 'load: and looks at what it found',
    Adapter: class extends ReferenceAdapter {
      override async load(session: Session) {
        await super.load(session)
        if (!this.sessions.lazy) session.has('user')
      }
    },
  },
  {
    id: 'load: a second time, for the log',
    Adapter: class extends ReferenceAdapter {
      override async reply(req: IncomingMessage, session: Session) {
        const again = this.open(req)
        await this.load(again)
        return await super.reply(req, session)
      }
    },
  },
  {
    id: 'load: marks the session as modified',
    Adapter: class extends ReferenceAdapter {
      override async load(session: Session) {
        await super.load(session)
        if (session.sessionKey !== null) session.modified = true
      }
    },
  },
  {
    id: 'load: starts a session for every visitor',
    Adapter: class extends ReferenceAdapter {
      override async load(session: Session) {
        await super.load(session)
        if (session.sessionKey === null && !this.sessions.lazy) session.set('since', 1)
      }
    },
  },

  // --- committing
  {
    id: 'commit: after the response',
    Adapter: class extends ReferenceAdapter {
      override async handle(req: IncomingMessage, res: ServerResponse) {
        const session = this.open(req)
        const reply = await this.reply(req, session)
        await this.write(res.writeHead(reply.status, this.headers(reply, nothing)), reply)
        await this.commit(session, reply)
      }
    },
  },
  {
    id: 'commit: not waited for',
    Adapter: class extends ReferenceAdapter {
      override async handle(req: IncomingMessage, res: ServerResponse) {
        const session = this.open(req)
        const reply = await this.reply(req, session)
        const committing = this.commit(session, reply)
        const late = sleep(10, nothing)
        await this.send(res, reply, await Promise.race([committing, late]))
        await committing
      }
    },
  },
  {
    id: 'commit: the head leaves first',
    Adapter: class extends ReferenceAdapter {
      override async handle(req: IncomingMessage, res: ServerResponse) {
        res.write = new Proxy(res.write, {})
        const session = this.open(req)
        const reply = await this.reply(req, session)
        const early = typeof reply.body !== 'string'
        if (early) res.writeHead(reply.status, this.headers(reply, nothing)).flushHeaders()
        const out = await this.commit(session, reply)
        if (early) await this.write(res, reply)
        else await this.send(res, reply, out)
      }
    },
  },
  {
    id: 'commit: a stream when it has ended',
    Adapter: class extends ReferenceAdapter {
      override async handle(req: IncomingMessage, res: ServerResponse) {
        const session = this.open(req)
        const reply = await this.reply(req, session)
        if (typeof reply.body === 'string')
          return await this.send(res, reply, await this.commit(session, reply))
        let body = ''
        for await (const chunk of reply.body) body += chunk
        await this.send(res, { ...reply, body }, await this.commit(session, reply))
      }
    },
  },
  {
    id: 'commit: only what says that it is modified',
    Adapter: class extends ReferenceAdapter {
      override async commit(session: Session, reply: Reply) {
        return session.modified ? await super.commit(session, reply) : { ...nothing, vary: session.accessed }
      }
    },
  },
  {
    id: 'commit: not what is empty',
    Adapter: class extends ReferenceAdapter {
      override async commit(session: Session, reply: Reply) {
        return session.isEmpty ? { ...nothing, vary: session.accessed } : await super.commit(session, reply)
      }
    },
  },
  {
    id: 'commit: always with status 200',
    Adapter: class extends ReferenceAdapter {
      override async commit(session: Session, reply: Reply) {
        return await super.commit(session, { ...reply, status: 200 })
      }
    },
  },
  {
    id: 'commit: with the status before the error',
    Adapter: class extends ReferenceAdapter {
      override async commit(session: Session, reply: Reply) {
        return await super.commit(session, {
          ...reply,
          status: reply.body === 'error 500' ? 200 : reply.status,
        })
      }
    },
  },
  {
    id: 'commit: only successes',
    Adapter: class extends ReferenceAdapter {
      override async commit(session: Session, reply: Reply) {
        return reply.status < 400 ? await super.commit(session, reply) : nothing
      }
    },
  },
  {
    id: 'commit: not for 204 and 304',
    Adapter: class extends ReferenceAdapter {
      override async commit(session: Session, reply: Reply) {
        return [204, 304].includes(reply.status) ? nothing : await super.commit(session, reply)
      }
    },
  },
  {
    id: 'commit: not for HEAD',
    Adapter: class extends ReferenceAdapter {
      override async handle(req: IncomingMessage, res: ServerResponse) {
        if (req.method !== 'HEAD') return await super.handle(req, res)
        await this.send(res, await this.reply(req, this.open(req)), nothing)
      }
    },
  },
  {
    id: 'commit: not for redirects',
    Adapter: class extends ReferenceAdapter {
      override async commit(session: Session, reply: Reply) {
        return reply.status === 303 ? nothing : await super.commit(session, reply)
      }
    },
  },
  {
    id: 'commit: TLS is not told',
    Adapter: class extends ReferenceAdapter {
      override async commit(session: Session, { status }: Reply) {
        return await this.sessions.commit(session, { status })
      }
    },
  },
  {
    id: 'commit: errors are swallowed',
    Adapter: class extends ReferenceAdapter {
      override async commit(session: Session, reply: Reply) {
        try {
          return await super.commit(session, reply)
        } catch {
          return nothing
        }
      }
    },
  },
  {
    id: 'commit: tried again for a while',
    Adapter: class extends ReferenceAdapter {
      override async commit(session: Session, reply: Reply) {
        try {
          return await super.commit(session, reply)
        } catch (error) {
          await sleep(1_200)
          throw error
        }
      }
    },
  },
  {
    id: 'commit: twice, each for a session of its own',
    Adapter: class extends ReferenceAdapter {
      override async handle(req: IncomingMessage, res: ServerResponse) {
        const session = this.open(req)
        const reply = await this.reply(req, session)
        const again = this.open(req)
        await this.load(again)
        if (reply.status >= 400) await this.reply(req, again)
        await this.commit(again, reply)
        await this.send(res, reply, await this.commit(session, reply))
      }
    },
  },

  // --- answering
  {
    id: 'send: no cookie',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, out: Out) {
        return super.headers(reply, { ...out, setCookies: [] })
      }
    },
  },
  {
    id: 'send: the cookie twice',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, out: Out) {
        return super.headers(reply, { ...out, setCookies: [...out.setCookies, ...out.setCookies] })
      }
    },
  },
  {
    id: 'send: the first cookie only',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, out: Out) {
        return super.headers(reply, { ...out, setCookies: out.setCookies.slice(0, 1) })
      }
    },
  },
  {
    id: 'send: a cookie for new sessions only',
    Adapter: class extends ReferenceAdapter {
      #known = new WeakSet<Session>()
      override open(req: IncomingMessage) {
        const session = super.open(req)
        if (cookieOf(req)) this.#known.add(session)
        return session
      }
      override async commit(session: Session, reply: Reply) {
        const out = await super.commit(session, reply)
        return this.#known.has(session) ? { ...out, setCookies: [] } : out
      }
    },
  },
  {
    id: 'send: no deleting cookies',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, out: Out) {
        return super.headers(reply, {
          ...out,
          setCookies: out.setCookies.filter(each => !/max-age=0/i.test(each)),
        })
      }
    },
  },
  {
    id: 'send: an empty session deletes the cookie',
    Adapter: class extends ReferenceAdapter {
      override async commit(session: Session, reply: Reply) {
        const out = await super.commit(session, reply)
        const gone = session.isEmpty && out.setCookies.length === 0 && session.accessed
        return gone ? { ...out, setCookies: ['sessionid=; Max-Age=0; Path=/'], private: true } : out
      }
    },
  },
  {
    id: 'send: an error deletes the cookie',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, out: Out) {
        const failed = reply.status === 400 || reply.status === 503
        return super.headers(reply, failed ? { ...out, setCookies: ['sessionid=; Max-Age=0; Path=/'] } : out)
      }
    },
  },
  {
    id: 'send: the cookie in the adapter’s own style',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, out: Out) {
        const own = (cookie: string) => {
          const age = /max-age=\d+/i.exec(cookie)?.[0]
          return `${cookie.split(';')[0]}; ${age ? `${age}; ` : ''}Path=/; HttpOnly; SameSite=Lax`
        }
        return super.headers(reply, { ...out, setCookies: out.setCookies.map(own) })
      }
    },
  },
  {
    id: 'send: the deleting cookie without attributes',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, out: Out) {
        const bare = (cookie: string) =>
          /max-age=0/i.test(cookie) ? `${cookie.split(';')[0]}; Max-Age=0` : cookie
        return super.headers(reply, { ...out, setCookies: out.setCookies.map(bare) })
      }
    },
  },
  {
    id: 'send: every cookie ends with the browser',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, out: Out) {
        const short = (cookie: string) => cookie.replace(/; (?:max-age=[1-9]\d*|expires=[^;]*)/gi, '')
        return super.headers(reply, { ...out, setCookies: out.setCookies.map(short) })
      }
    },
  },
  {
    id: 'send: the session’s cookie replaces the app’s',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, out: Out) {
        const headers = super.headers(reply, out)
        return out.setCookies.length > 0 ? { ...headers, 'set-cookie': out.setCookies } : headers
      }
    },
  },
  {
    id: 'send: of several cookies of one name the first leaves',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, out: Out) {
        const byName = new Map<string, string>()
        for (const line of out.setCookies) {
          const [name = ''] = line.split('=')
          if (!byName.has(name)) byName.set(name, line)
        }
        return super.headers(reply, { ...out, setCookies: [...byName.values()] })
      }
    },
  },
  {
    id: 'send: of several cookies of one name the last leaves',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, out: Out) {
        const byName = new Map(out.setCookies.map(line => [line.split('=')[0], line]))
        return super.headers(reply, { ...out, setCookies: [...byName.values()] })
      }
    },
  },
  {
    id: 'commit: not told where the browser asked',
    Adapter: class extends ReferenceAdapter {
      override target() {
        return {}
      }
    },
  },
  {
    id: 'commit: not told of X-Forwarded-Proto',
    Adapter: class extends ReferenceAdapter {
      override target(session: Session) {
        const { host, path } = super.target(session)
        return { host, path }
      }
    },
  },
  {
    id: 'send: Vary is replaced',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, out: Out) {
        const headers = super.headers(reply, out)
        return out.vary ? { ...headers, vary: 'Cookie' } : headers
      }
    },
  },
  {
    id: 'send: Cache-Control is replaced',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, out: Out) {
        const headers = super.headers(reply, out)
        return out.private ? { ...headers, 'cache-control': 'private' } : headers
      }
    },
  },
  {
    id: 'send: no Vary',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, out: Out) {
        return super.headers(reply, { ...out, vary: false })
      }
    },
  },
  {
    id: 'send: Vary with a cookie only',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, out: Out) {
        return super.headers(reply, { ...out, vary: out.setCookies.length > 0 })
      }
    },
  },
  {
    id: 'commit: Vary if the session was accessed',
    Adapter: class extends ReferenceAdapter {
      override async commit(session: Session, reply: Reply) {
        const { accessed } = session
        const out = await super.commit(session, reply)
        return out.setCookies.length > 0 ? out : { ...out, vary: accessed }
      }
    },
  },
  {
    id: 'send: Vary on everything',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, out: Out) {
        return super.headers(reply, { ...out, vary: true })
      }
    },
  },
  {
    id: 'send: no Cache-Control',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, out: Out) {
        return super.headers(reply, { ...out, private: false })
      }
    },
  },
  {
    id: 'send: the headers of a thrown 4xx are lost',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, out: Out) {
        return super.headers(
          reply,
          typeof reply.body === 'string' && reply.body.startsWith('error') ? nothing : out,
        )
      }
    },
  },
  {
    id: 'send: a thrown error is not committed',
    Adapter: class extends ReferenceAdapter {
      override async commit(session: Session, reply: Reply) {
        return reply.body.toString().startsWith('error') ? nothing : await super.commit(session, reply)
      }
    },
  },
  {
    id: 'send: the failed response’s headers stay',
    Adapter: class extends ReferenceAdapter {
      #last: Reply['headers'] = {}
      override async commit(session: Session, reply: Reply) {
        if (Object.keys(reply.headers).length > 0) this.#last = reply.headers
        return await super.commit(session, reply)
      }
      override headers(reply: Reply, out: Out) {
        return super.headers(reply.status === 503 ? { ...reply, headers: this.#last } : reply, out)
      }
    },
  },
  {
    id: 'send: a stream is collected first',
    Adapter: class extends ReferenceAdapter {
      override async send(res: ServerResponse, reply: Reply, out: Out) {
        if (typeof reply.body === 'string') return await super.send(res, reply, out)
        let body = ''
        for await (const chunk of reply.body) body += chunk
        await super.send(res, { ...reply, body }, out)
      }
    },
  },
  {
    id: 'send: a stream loses its first chunk',
    Adapter: class extends ReferenceAdapter {
      override async write(res: ServerResponse, reply: Reply) {
        if (typeof reply.body === 'string') return await super.write(res, reply)
        let first = true
        for await (const chunk of reply.body) {
          if (!first) res.write(chunk)
          first = false
        }
        res.end()
      }
    },
  },
  {
    id: 'send: an error of the store is a 500',
    Adapter: class extends ReferenceAdapter {
      override failed(error: unknown) {
        return {
          ...super.failed(error),
          status: (error as { code?: string }).code ? 500 : super.failed(error).status,
        }
      }
    },
  },
  {
    id: 'failed: the app’s error handler does not get the error of a save',
    Adapter: class extends ReferenceAdapter {
      override failed(error: unknown) {
        const { code, status } = error as { code?: string; status: number }
        const reply = super.failed(error)
        return code ? { ...reply, status } : reply
      }
    },
  },
  {
    id: 'send: data that is too big is a 200',
    Adapter: class extends ReferenceAdapter {
      override failed(error: unknown) {
        const reply = super.failed(error)
        return (error as { code?: string }).code === 'SESSION_DATA' ? { ...reply, status: 200 } : reply
      }
    },
  },
  {
    id: 'handle: one request after the other, until a client leaves',
    Adapter: class extends ReferenceAdapter {
      #turn = Promise.resolve()
      override async handle(req: IncomingMessage, res: ServerResponse) {
        const before = this.#turn
        const { promise, resolve } = Promise.withResolvers<void>()
        this.#turn = promise
        res.on('finish', () => resolve()) // which does not happen when the client has left
        await before
        await super.handle(req, res)
      }
    },
  },
  {
    id: 'handle: an interrupted request runs again without its cookie',
    Adapter: class extends ReferenceAdapter {
      override async handle(req: IncomingMessage, res: ServerResponse) {
        const session = this.open(req)
        const reply = await this.reply(req, session)
        try {
          await this.send(res, reply, await this.commit(session, reply))
        } catch (error) {
          if ((error as { code?: string }).code !== 'SESSION_INTERRUPTED') {
            return await this.send(res, this.failed(error), nothing)
          }
          delete req.headers.cookie
          await super.handle(req, res)
        }
      }
    },
  },

  // --- two engines
  {
    id: 'two engines: a failed save drops the cookie of what the other engine has saved',
    Adapter: class extends ReferenceAdapter {
      override join(inner: Out, outer: Out, reply: Reply) {
        return reply.status === 503 ? outer : super.join(inner, outer, reply)
      }
    },
  },
  {
    id: 'two engines: the cookies of one replace those of the other',
    Adapter: class extends ReferenceAdapter {
      override join(inner: Out, outer: Out, reply: Reply) {
        const both = super.join(inner, outer, reply)
        return outer.setCookies.length > 0 ? { ...both, setCookies: outer.setCookies } : both
      }
    },
  },
  {
    id: 'two engines: a failed save of the inner one is swallowed',
    Adapter: class extends ReferenceAdapter {
      override async commitInner(inner: Session, reply: Reply) {
        try {
          return await super.commitInner(inner, reply)
        } catch {
          return nothing
        }
      }
    },
  },
]
