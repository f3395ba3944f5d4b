import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Device, Session } from '@sess/core'
import type { Reply } from '../reference-app.ts'
import { type Out, ReferenceAdapter } from '../reference-probe.ts'
import type { BrokenAdapter } from './broken-adapters.ts'

/** What an adapter does that has left a request alone: the handler runs on a session that nobody commits. */
const NOTHING: Out = { setCookies: [], vary: false, private: false }

/** An adapter that leaves some requests alone. */
export function skipping(leave: (req: IncomingMessage) => boolean): typeof ReferenceAdapter {
  return class extends ReferenceAdapter {
    readonly #left = new WeakSet<Session>()
    override open(req: IncomingMessage) {
      const session = super.open(req)
      if (leave(req)) this.#left.add(session)
      return session
    }
    override async commit(session: Session, reply: Reply) {
      return this.#left.has(session) ? NOTHING : await super.commit(session, reply)
    }
  }
}

type Above = Parameters<ReferenceAdapter['joinedError']>[1]

/** An adapter whose error of a failed save keeps these headers of the success. */
function keeping(isKept: (name: string) => boolean): typeof ReferenceAdapter {
  return class extends ReferenceAdapter {
    override joinedError(reply: Reply, above: Above, failed: Reply) {
      const kept = Object.entries(failed.headers).filter(([name]) => isKept(name))
      return this.joined({ ...reply, headers: { ...reply.headers, ...Object.fromEntries(kept) } }, above)
    }
  }
}

/** An adapter that says something else of the client. */
function describing(
  change: (req: IncomingMessage, device: Device) => Device | undefined,
): typeof ReferenceAdapter {
  return class extends ReferenceAdapter {
    override client(req: IncomingMessage) {
      const device = change(req, this.device(req))
      const { device: _, ...others } = super.client(req)
      return device ? { ...others, device: () => device } : others
    }
  }
}

/** An adapter whose own headers come to something else. */
function answering(
  change: (headers: Reply['headers'], reply: Reply, out: Out) => Reply['headers'],
): typeof ReferenceAdapter {
  return class extends ReferenceAdapter {
    override headers(reply: Reply, out: Out) {
      return change(super.headers(reply, out), reply, out)
    }
  }
}

const pathOf = (req: IncomingMessage) => (req.url ?? '').split('?')[0] ?? ''

/**
 * The second zoo: adapters as people write them who know Hono or Fastify well. Written before any case that was made for it.
 * `by`: a case that rejects it.
 */
export const strangersAdapters: readonly (BrokenAdapter & { by: string })[] = [
  {
    id: 'method: only GET and POST have a session',
    by: 'adapter/method-delete',
    Adapter: skipping(req => !['GET', 'POST'].includes(req.method ?? '')),
  },
  {
    id: 'method: DELETE is not committed',
    by: 'adapter/method-delete',
    Adapter: skipping(req => req.method === 'DELETE'),
  },
  {
    id: 'method: a list of methods that forms know, and PATCH',
    by: 'adapter/method-put',
    Adapter: skipping(req => req.method === 'PUT'),
  },
  {
    id: 'method: a list of methods that change things, from before PATCH',
    by: 'adapter/method-patch',
    Adapter: skipping(req => req.method === 'PATCH'),
  },
  {
    id: 'method: OPTIONS belongs to CORS',
    by: 'adapter/method-options',
    Adapter: skipping(req => req.method === 'OPTIONS'),
  },
  {
    id: 'method: HEAD is answered without Vary',
    by: 'adapter/method-head',
    Adapter: skipping(req => req.method === 'HEAD'),
  },
  {
    id: 'path: what has an extension is a file',
    by: 'adapter/path-extension',
    Adapter: skipping(req => /\.\w+$/.test(pathOf(req))),
  },
  {
    id: 'path: /assets is static',
    by: 'adapter/path-assets',
    Adapter: skipping(req => pathOf(req).startsWith('/assets/')),
  },
  {
    id: 'path: the icon has no session',
    by: 'adapter/path-icon',
    Adapter: skipping(req => pathOf(req) === '/favicon.ico'),
  },
  {
    id: 'path: one level of wildcard',
    by: 'adapter/path-deep',
    Adapter: skipping(req => pathOf(req).split('/').length > 4),
  },
  {
    id: 'path: health checks are left alone',
    by: 'adapter/path-health',
    Adapter: skipping(req => pathOf(req).endsWith('/health')),
  },
  {
    id: 'headers: cookies of the app joined by commas',
    by: 'adapter/own-several',
    Adapter: answering((headers, reply, out) => {
      const own = [reply.headers['set-cookie'] ?? []].flat()
      return out.setCookies.length > 0 && own.length > 1
        ? { ...headers, 'set-cookie': [own.join(', '), ...out.setCookies] }
        : headers
    }),
  },
  {
    id: 'headers: one cookie a name',
    by: 'adapter/own-several',
    Adapter: answering(headers => {
      const cookies = [headers['set-cookie'] ?? []].flat()
      const named = new Map(cookies.map(cookie => [cookie.split('=')[0], cookie]))
      return cookies.length > 0 ? { ...headers, 'set-cookie': [...named.values()] } : headers
    }),
  },
  {
    id: 'headers: the first Vary only',
    by: 'adapter/own-several',
    Adapter: answering((headers, reply) =>
      Array.isArray(reply.headers['vary'])
        ? { ...headers, vary: `${reply.headers['vary'][0]}, Cookie` }
        : headers,
    ),
  },
  {
    id: 'secure: believes X-Forwarded-Proto',
    by: 'adapter/forwarded',
    Adapter: class extends ReferenceAdapter {
      readonly #secure = new WeakMap<Session, boolean>()
      override open(req: IncomingMessage) {
        const session = super.open(req)
        this.#secure.set(session, req.headers['x-forwarded-proto'] === 'https')
        return session
      }
      override async commit(session: Session, { status }: Reply) {
        return await this.sessions.commit(session, { status, secure: this.#secure.get(session) ?? false })
      }
    },
  },
  {
    id: 'body: waits for an end that has passed',
    by: 'adapter/with-body',
    Adapter: class extends ReferenceAdapter {
      override async handle(req: IncomingMessage, res: ServerResponse) {
        if (req.headers['transfer-encoding'] === 'chunked') {
          req.resume()
          await sleep(30)
          await new Promise(resolve => req.once('end', resolve))
        }
        await super.handle(req, res)
      }
    },
  },
  {
    id: 'body: k of a form wins over the session’s',
    by: 'adapter/with-body',
    Adapter: class extends ReferenceAdapter {
      override open(req: IncomingMessage) {
        const isForm = req.headers['content-type'] === 'application/x-www-form-urlencoded'
        return isForm ? this.sessions.open(undefined) : super.open(req)
      }
    },
  },
  {
    id: 'left: the commit is dropped with the connection',
    by: 'adapter/left-after-change',
    Adapter: class extends ReferenceAdapter {
      override async handle(req: IncomingMessage, res: ServerResponse) {
        const session = this.open(req)
        const reply = await this.reply(req, session)
        if (res.destroyed) return
        try {
          await this.send(res, reply, await this.commit(session, reply))
        } catch (error) {
          const failed = this.failed(error)
          await this.send(res, failed, await this.commit(session, failed))
        }
      }
    },
  },
  {
    id: 'failures: a place is lost with each failed commit',
    by: 'adapter/many-failures',
    Adapter: class extends ReferenceAdapter {
      #places = 20
      override async commit(session: Session, reply: Reply) {
        while (this.#places <= 0) await sleep(5)
        this.#places--
        const out = await super.commit(session, reply)
        this.#places++
        return out
      }
    },
  },
  {
    id: 'rolling: a 304 goes out without its cookie',
    by: 'adapter/not-modified',
    Adapter: class extends ReferenceAdapter {
      readonly #conditional = new WeakSet<Session>()
      override open(req: IncomingMessage) {
        const session = super.open(req)
        if (req.headers['if-none-match']) this.#conditional.add(session)
        return session
      }
      override async commit(session: Session, reply: Reply) {
        const out = await super.commit(session, reply)
        return this.#conditional.has(session) ? { ...out, setCookies: [] } : out
      }
    },
  },
  {
    id: 'foreign: the response of others goes out as it is',
    by: 'adapter/foreign-response',
    Adapter: answering((headers, { headers: own }) => (own['x-foreign'] ? own : headers)),
  },
  {
    id: 'failures: a list of headers is dropped, without Cache-Control and Vary',
    by: 'adapter/save-fails-headers',
    Adapter: keeping(name => !['set-cookie', 'location', 'content-type'].includes(name)),
  },
  {
    id: 'failures: the cookies of the handler go with the error',
    by: 'adapter/save-fails-headers',
    Adapter: keeping(name => name === 'set-cookie'),
  },
  {
    id: 'failures: a store that throws at once fails in the handler, whose headers stay',
    by: 'adapter/store-throws-at-once',
    Adapter: class extends ReferenceAdapter {
      #threw = false
      override async commit(session: Session, reply: Reply) {
        try {
          const committed = this.sessions.commit(session, { status: reply.status })
          this.#threw = false
          return await committed
        } catch (error) {
          this.#threw = true
          throw error
        }
      }
      override joinedError(reply: Reply, above: Above, failed: Reply) {
        return this.joined(this.#threw ? { ...failed, status: reply.status, body: reply.body } : reply, above)
      }
    },
  },
  {
    id: 'connection: a response without a socket is a stand-in',
    by: 'adapter/pipelined',
    Adapter: class extends ReferenceAdapter {
      override async handle(req: IncomingMessage, res: ServerResponse) {
        if (res.socket) return await super.handle(req, res)
        await this.sendUntouched(req, res, await this.reply(req, this.open(req)))
      }
    },
  },
  {
    id: 'connection: the session is that of the request which came last',
    by: 'adapter/pipelined',
    Adapter: (() => {
      const latest = new WeakMap<object, Session>()
      return class extends ReferenceAdapter {
        override open(req: IncomingMessage) {
          const session = super.open(req)
          latest.set(req.socket, session)
          return session
        }
        override async reply(req: IncomingMessage, session: Session, inner?: Session) {
          await sleep(5)
          return await super.reply(req, latest.get(req.socket) ?? session, inner)
        }
      }
    })(),
  },
  {
    id: 'body: nobody closes it when the client has left',
    by: 'adapter/left-body-closed',
    Adapter: class extends ReferenceAdapter {
      override async write(res: ServerResponse, reply: Reply) {
        if (typeof reply.body === 'string') return await super.write(res, reply)
        const pieces = reply.body[Symbol.asyncIterator]()
        while (!res.destroyed) {
          const { value, done } = await pieces.next()
          if (done) break
          res.write(value)
        }
        res.end()
      }
    },
  },
  {
    id: 'headers: Vary is searched for the letters of Cookie',
    by: 'adapter/own-vary-alike',
    Adapter: answering((headers, { headers: own }) =>
      /cookie/i.test(own['vary']?.toString() ?? '') ? { ...headers, vary: own['vary'] ?? '' } : headers,
    ),
  },
  {
    id: 'headers: names in Vary are compared letter by letter',
    by: 'adapter/own-vary-alike',
    Adapter: answering((headers, { headers: own }, { vary }) => {
      const names = own['vary']?.toString().split(/\s*,\s*/) ?? []
      return vary && names.length > 0 && !names.includes('Cookie') && !names.includes('*')
        ? { ...headers, vary: [...names, 'Cookie'].join(', ') }
        : headers
    }),
  },
  {
    id: 'device: nothing is said of it',
    by: 'adapter/devices',
    Adapter: describing(() => undefined),
  },
  {
    id: 'device: the address alone',
    by: 'adapter/devices',
    Adapter: describing((_, { ip }) => ({ ip })),
  },
  {
    id: 'device: the address that the client made up',
    by: 'adapter/devices',
    Adapter: describing(({ headers }, device) => ({
      ...device,
      ip: headers['x-forwarded-for']?.toString() ?? device.ip,
    })),
  },
  {
    id: 'host: the one that the client made up',
    by: 'adapter/forwarded-host',
    Adapter: class extends ReferenceAdapter {
      override target(session: Session) {
        const target = super.target(session)
        const forwarded = this.requestOf(session)?.headers['x-forwarded-host']
        return forwarded === undefined ? target : { ...target, host: forwarded.toString() }
      }
    },
  },
  {
    id: 'status: from 400 on nothing but the cookie is added',
    by: 'adapter/status-saves',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, out: Out) {
        return super.headers(reply, reply.status < 400 ? out : { ...out, vary: false, private: false })
      }
    },
  },
  {
    id: 'status: an error of the framework’s own has the cookie, and no Vary',
    by: 'adapter/thrown-4xx',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, out: Out) {
        return super.headers(reply, String(reply.body).startsWith('error ') ? { ...out, vary: false } : out)
      }
    },
  },
  {
    id: 'status: a 304 gets a cookie alone',
    by: 'adapter/status-empty',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, out: Out) {
        return super.headers(reply, reply.status === 304 ? { ...out, vary: false } : out)
      }
    },
  },
]
