import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Session } from '@sess/core'
import { added, type Reply } from '../reference-app.ts'
import { type Out, ReferenceAdapter, type Request } from '../reference-probe.ts'
import type { BrokenAdapter } from './broken-adapters.ts'
import { readingLate } from './reading-late.ts'
import { SharingAdapter } from './sharing-adapter.ts'

const nothing: Out = { setCookies: [], vary: false, private: false }

/** The cases that these adapters are for. */
export const OF_WAYS =
  /^adapter\/(?:https-|proxy-|hook-|one-engine-twice|under-|two-engines$|two-engines-(?:5xx|https)$)/

/** An adapter that takes its own view of which connections are TLS. */
function believing(
  isTls: (adapter: ReferenceAdapter, req: IncomingMessage, status: number) => boolean | undefined,
): typeof ReferenceAdapter {
  return class extends ReferenceAdapter {
    override async commit(session: Session, { status }: Reply) {
      const req = this.requestOf(session)
      const secure = req && isTls(this, req, status)
      return await this.sessions.commit(session, {
        status,
        ...(secure !== undefined && { secure }),
        target: () => this.target(session),
      })
    }
  }
}

/** An adapter whose cookies come to something else. */
function sending(change: (cookie: string) => string): typeof ReferenceAdapter {
  return class extends ReferenceAdapter {
    override headers(reply: Reply, out: Out) {
      return super.headers(reply, { ...out, setCookies: out.setCookies.map(change) })
    }
  }
}

const isEncrypted = (adapter: ReferenceAdapter, req: IncomingMessage) => adapter.isTls(req)
const forwardedOf = ({ headers }: IncomingMessage) => headers['x-forwarded-proto']

/** An adapter that commits nothing, or by another status, where the handler never ran. */
function withoutHandler(status: number | undefined): typeof ReferenceAdapter {
  return class extends ReferenceAdapter {
    readonly #reached = new WeakSet<Session>()
    override async handler(req: IncomingMessage, session: Session, inner?: Session) {
      this.#reached.add(session)
      return await super.handler(req, session, inner)
    }
    override async commit(session: Session, reply: Reply) {
      if (this.#reached.has(session)) return await super.commit(session, reply)
      return status === undefined ? nothing : await super.commit(session, { ...reply, status })
    }
  }
}

/** Over TLS, behind a proxy, among the app's own middleware, mounted twice. `by`: a case that rejects it. */
export const adaptersInAWay: readonly (BrokenAdapter & { by: string })[] = [
  {
    id: 'https: the connection is said to be plain',
    by: 'adapter/https-secure',
    Adapter: believing(() => false),
  },
  {
    id: 'https: nothing is said of the connection',
    by: 'adapter/https-secure',
    Adapter: believing(() => undefined),
  },
  {
    id: 'https: the way of errors says nothing of the connection',
    by: 'adapter/https-secure',
    Adapter: believing((adapter, req, status) => status < 400 && adapter.isTls(req)),
  },
  {
    id: 'https: the cookie that deletes is not Secure',
    by: 'adapter/https-secure',
    Adapter: sending(cookie => (/max-age=0/i.test(cookie) ? cookie.replace(/; secure/i, '') : cookie)),
  },
  {
    id: 'https: the cookie has another name over TLS, which nobody reads',
    by: 'adapter/https-found-again',
    Adapter: sending(cookie => (/; secure/i.test(cookie) ? `__Secure-${cookie}` : cookie)),
  },
  {
    id: 'https: a cookie for all hosts of the domain',
    by: 'adapter/https-prefix',
    Adapter: sending(cookie => `${cookie}; Domain=127.0.0.1`),
  },
  {
    id: 'https: the cookie that deletes is written by the adapter',
    by: 'adapter/https-prefix',
    Adapter: sending(cookie =>
      /max-age=0/i.test(cookie) ? `${cookie.split(';')[0]}; Max-Age=0; Path=/` : cookie,
    ),
  },
  {
    id: 'https: X-Forwarded-Proto counts, whoever sends it',
    by: 'adapter/https-forwarded',
    Adapter: believing((adapter, req) => {
      const forwarded = forwardedOf(req)
      return forwarded === undefined ? adapter.isTls(req) : forwarded === 'https'
    }),
  },
  {
    id: 'https: a request that a proxy may have got counts as plain',
    by: 'adapter/https-forwarded',
    Adapter: class extends ReferenceAdapter {
      override isTls(req: IncomingMessage) {
        return super.isTls(req) && forwardedOf(req) === undefined
      }
    },
  },
  {
    id: 'proxy: the socket decides',
    by: 'adapter/proxy-https',
    Adapter: believing((_, { socket }) => (socket as { encrypted?: boolean }).encrypted === true),
  },
  {
    id: 'proxy: the setting of the app counts only where the handler has responded',
    by: 'adapter/proxy-https',
    Adapter: believing((adapter, req, status) => status < 300 && adapter.isTls(req)),
  },
  {
    id: 'proxy: an app with a proxy is secure',
    by: 'adapter/proxy-http',
    Adapter: believing((adapter, req) => adapter.ways.trustProxy === true || isEncrypted(adapter, req)),
  },
  {
    id: 'proxy: remembered by the socket',
    by: 'adapter/proxy-connection',
    Adapter: (() => {
      const known = new WeakMap<object, boolean>()
      return believing((adapter, req) => {
        const secure = known.get(req.socket) ?? isEncrypted(adapter, req)
        known.set(req.socket, secure)
        return secure
      })
    })(),
  },
  {
    id: 'proxy: a redirect follows the header, trusted or not',
    by: 'adapter/proxy-untrusted',
    Adapter: believing(
      (adapter, req, status) => adapter.isTls(req) || (status >= 300 && forwardedOf(req) === 'https'),
    ),
  },
  {
    id: 'proxy: X-Forwarded-Proto is compared as a whole',
    by: 'adapter/proxy-several',
    Adapter: believing((adapter, req) => {
      const forwarded = adapter.ways.trustProxy && forwardedOf(req)
      return forwarded ? forwarded === 'https' : adapter.isTls(req)
    }),
  },
  {
    id: 'proxy: one https among the proxies is enough',
    by: 'adapter/proxy-several',
    Adapter: believing((adapter, req) => {
      const forwarded = adapter.ways.trustProxy && forwardedOf(req)
      return forwarded ? forwarded.includes('https') : adapter.isTls(req)
    }),
  },
  {
    id: 'proxy: the host is that which the proxy asked for',
    by: 'adapter/proxy-host',
    Adapter: class extends ReferenceAdapter {
      override target(session: Session) {
        return { ...super.target(session), host: this.requestOf(session)?.headers.host }
      }
    },
  },
  {
    id: 'proxy: the address of a device is that of the proxy',
    by: 'adapter/proxy-devices',
    Adapter: class extends ReferenceAdapter {
      override device(req: IncomingMessage) {
        return { ...super.device(req), ip: req.socket.remoteAddress }
      }
    },
  },
  {
    id: 'proxy: no device has an address behind one',
    by: 'adapter/proxy-devices',
    Adapter: class extends ReferenceAdapter {
      override device(req: IncomingMessage) {
        const { ip, ...device } = super.device(req)
        return this.ways.trustProxy ? device : { ...device, ip }
      }
    },
  },
  {
    id: 'hook: headers of middleware above are set on what the handler returned',
    by: 'adapter/hook-handler-wins',
    Adapter: class extends ReferenceAdapter {
      override joined(reply: Reply, above: { headers: [string, string][] }) {
        const names = ['cache-control', 'x-foreign']
        const others = Object.entries(reply.headers).filter(
          ([name]) => !names.includes(name) || !above.headers.some(([own]) => own === name),
        )
        return super.joined({ ...reply, headers: Object.fromEntries(others) }, { headers: above.headers })
      }
    },
  },
  {
    id: 'proxy: whether the connection is secure is that of the last request',
    by: 'adapter/proxy-at-once',
    Adapter: class extends SharingAdapter {
      override isTls(req: IncomingMessage) {
        return super.isTls(this.current ?? req)
      }
    },
  },
  {
    id: 'hook: a body that is the session takes Vary for itself',
    by: 'adapter/hook-vary-of-body',
    Adapter: readingLate((_, names) => names),
  },
  {
    id: 'hook: the fields of the session are set, not merged',
    by: 'adapter/hook-clear-site-data',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, out: Out) {
        return { ...super.headers(reply, out), ...out.headers }
      }
    },
  },
  {
    id: 'hook: the cookies of the session take the place of those that middleware above has set',
    by: 'adapter/hook-headers',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, out: Out) {
        const headers = super.headers(reply, out)
        return out.setCookies.length > 0 ? { ...headers, 'set-cookie': out.setCookies } : headers
      }
    },
  },
  {
    id: 'hook: only the headers of the handler are merged',
    by: 'adapter/hook-headers',
    Adapter: class extends ReferenceAdapter {
      override joined(reply: Reply, above: { headers: [string, string][] }) {
        const others = above.headers.filter(([name]) => reply.headers[name] === undefined)
        return added(reply, others, true)
      }
    },
  },
  {
    id: 'hook: a response without a session fails when it is sent',
    by: 'adapter/hook-responds-above',
    Adapter: class extends ReferenceAdapter {
      override async sendUntouched(_req: IncomingMessage, res: ServerResponse) {
        await this.send(res, this.failed(new TypeError('there is no session')), nothing)
      }
    },
  },
  {
    id: 'hook: a response without a session gets one when it is sent',
    by: 'adapter/hook-responds-above',
    Adapter: class extends ReferenceAdapter {
      override async sendUntouched(req: IncomingMessage, res: ServerResponse, reply: Reply) {
        const session = this.open(req)
        await this.load(session)
        await this.send(res, reply, await this.commit(session, reply))
      }
    },
  },
  {
    id: 'hook: the error page of middleware above loads a session',
    by: 'adapter/hook-throws-above',
    Adapter: class extends ReferenceAdapter {
      override async sendUntouched(req: IncomingMessage, res: ServerResponse, reply: Reply) {
        if (reply.status >= 500) await this.load(this.open(req))
        await super.sendUntouched(req, res, reply)
      }
    },
  },
  {
    id: 'hook: an error above waits for a session',
    by: 'adapter/hook-throws-above',
    Adapter: class extends ReferenceAdapter {
      override async sendUntouched(req: IncomingMessage, res: ServerResponse, reply: Reply) {
        if (reply.status < 500) await super.sendUntouched(req, res, reply)
      }
    },
  },
  {
    id: 'hook: what the handler did not respond to is not committed',
    by: 'adapter/hook-responds-below',
    Adapter: withoutHandler(undefined),
  },
  {
    id: 'hook: where no handler ran there was no error',
    by: 'adapter/hook-throws-below',
    Adapter: withoutHandler(200),
  },
  {
    id: 'hook: an error of middleware is not committed, whatever its status',
    by: 'adapter/hook-rejects-below',
    Adapter: withoutHandler(undefined),
  },
  {
    id: 'hook: an error of middleware counts as 500',
    by: 'adapter/hook-rejects-below',
    Adapter: withoutHandler(500),
  },
  {
    id: 'hook: the load that failed is thrown before middleware runs',
    by: 'adapter/hook-load-fails',
    Adapter: class extends ReferenceAdapter {
      override async load(session: Session) {
        await super.load(session)
        session.has('user')
      }
    },
  },
  {
    id: 'hook: an outage is an empty session to middleware',
    by: 'adapter/hook-load-fails',
    Adapter: class extends ReferenceAdapter {
      override async step(req: IncomingMessage, session?: Session) {
        try {
          return await super.step(req, session)
        } catch (error) {
          if ((error as { code?: string }).code !== 'SESSION_STORE') throw error
          return { headers: [], answer: { status: 401, body: 'log in first' } }
        }
      }
    },
  },
  {
    id: 'hook: private goes into the Cache-Control of the handler only',
    by: 'adapter/hook-public',
    Adapter: class extends ReferenceAdapter {
      readonly #above = new WeakMap<object, string>()
      override joined(reply: Reply, above: { headers: [string, string][] }) {
        const joined = super.joined(reply, {
          headers: above.headers.filter(([name]) => name !== 'cache-control'),
        })
        const own = above.headers.find(([name]) => name === 'cache-control')
        if (own) this.#above.set(joined, own[1])
        return joined
      }
      override headers(reply: Reply, out: Out) {
        const headers = super.headers(reply, out)
        const above = this.#above.get(reply)
        const both = [above, headers['cache-control']].filter(each => each !== undefined)
        return both.length > 0 ? { ...headers, 'cache-control': both.join(', ') } : headers
      }
    },
  },
  {
    id: 'hook: a failed save drops what middleware above has set',
    by: 'adapter/hook-failed-save',
    Adapter: class extends ReferenceAdapter {
      override joinedError(reply: Reply) {
        return reply
      }
    },
  },
  {
    id: 'hook: a failed save keeps what the handler has set',
    by: 'adapter/hook-failed-save',
    Adapter: class extends ReferenceAdapter {
      override joinedError(reply: Reply, above: { headers: [string, string][] }, failed: Reply) {
        return this.joined({ ...failed, status: reply.status, body: reply.body }, above)
      }
    },
  },
  {
    id: 'hook: the response has left when middleware above gets it back',
    by: 'adapter/hook-headers-after',
    Adapter: class extends ReferenceAdapter {
      override returned(reply: Reply, above: { after?: () => unknown }) {
        above.after?.()
        return reply
      }
    },
  },
  {
    id: 'hook: an error after the commit goes without the cookie',
    by: 'adapter/hook-throws-after',
    Adapter: class extends ReferenceAdapter {
      override afterError() {
        return nothing
      }
    },
  },
  {
    id: 'two engines: the inner one is told nothing of the connection',
    by: 'adapter/two-engines',
    Adapter: class extends ReferenceAdapter {
      override async commitInner(inner: Session, { status }: Reply) {
        return await this.inner!.commit(inner, { status })
      }
    },
  },
  {
    id: 'two engines: over TLS the inner one is said to be plain',
    by: 'adapter/two-engines-https',
    Adapter: class extends ReferenceAdapter {
      override async commitInner(inner: Session, { status }: Reply) {
        return await this.inner!.commit(inner, { status, secure: false })
      }
    },
  },
  {
    id: 'two engines: the inner one is through before the status is known',
    by: 'adapter/two-engines-5xx',
    Adapter: class extends ReferenceAdapter {
      override async commitInner(inner: Session, reply: Reply) {
        return await super.commitInner(inner, { ...reply, status: 200 })
      }
    },
  },
  {
    id: 'under: the path is the rest below the mounted app',
    by: 'adapter/under-background',
    Adapter: class extends ReferenceAdapter {
      override targetOf(req: Request) {
        return { ...super.targetOf(req), path: req.url }
      }
    },
  },
  {
    id: 'under: the commit is told the rest of the path',
    by: 'adapter/under-tells-where',
    Adapter: class extends ReferenceAdapter {
      override target(session: Session) {
        return { ...super.target(session), path: this.requestOf(session)?.url }
      }
    },
  },
  {
    id: 'twice: the second middleware opens a session of its own',
    by: 'adapter/one-engine-twice',
    Adapter: class extends ReferenceAdapter {
      override async openAgain(req: IncomingMessage, session: Session) {
        await this.load(session)
        return this.open(req)
      }
    },
  },
  {
    id: 'twice: the first middleware leaves errors to the second, which has none',
    by: 'adapter/one-engine-twice-save-fails',
    Adapter: class extends ReferenceAdapter {
      override async commit(session: Session, reply: Reply) {
        try {
          return await super.commit(session, reply)
        } catch (error) {
          if (this.ways.twice) return nothing
          throw error
        }
      }
    },
  },
]
