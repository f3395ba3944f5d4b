import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Session } from '@sess/core'
import { type Out, ReferenceAdapter, type Reply } from '../reference-probe.ts'
import type { BrokenAdapter } from './broken-adapters.ts'

/** What an adapter does that has left a request alone: the handler runs on a session that nobody commits. */
const NOTHING: Out = { setCookies: [], vary: false, private: false }

/** An adapter that leaves some requests alone. */
function skipping(leave: (req: IncomingMessage) => boolean): typeof ReferenceAdapter {
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
]
