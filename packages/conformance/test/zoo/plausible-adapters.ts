import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Session } from '@sess/core'
import { varyBy } from '@sess/core/adapter'
import type { Reply } from '../reference-app.ts'
import { type Out, ReferenceAdapter } from '../reference-probe.ts'
import type { BrokenAdapter } from './broken-adapters.ts'
import { readingLate } from './reading-late.ts'
import { SharingAdapter } from './sharing-adapter.ts'
import { skipping } from './strangers-adapters.ts'

const NOTHING: Out = { setCookies: [], vary: false, private: false }

/** An adapter that waits no longer than this for a save. */
function hasty(ms: number): typeof ReferenceAdapter {
  return class extends ReferenceAdapter {
    override async commit(session: Session, reply: Reply) {
      return await Promise.race([super.commit(session, reply), sleep(ms, NOTHING, { ref: false })])
    }
  }
}

/** An adapter whose app reads the body of each request before its handler, as a body parser does. */
class ReadingBodies extends ReferenceAdapter {
  override async handler(req: IncomingMessage, session: Session, inner?: Session) {
    if (Number(req.headers['content-length'] ?? 0) > 0) {
      req.resume()
      await once(req, 'end')
    }
    return await super.handler(req, session, inner)
  }
}

/** An adapter that keeps the session of a request by the request's id. */
function byId(idOf: (req: IncomingMessage, count: number) => string): typeof ReferenceAdapter {
  const sessions = new Map<string, Session>()
  return class extends ReferenceAdapter {
    #count = 0
    readonly #ids = new WeakMap<Session, string>()
    override open(req: IncomingMessage) {
      const session = super.open(req)
      const id = idOf(req, ++this.#count)
      sessions.set(id, session)
      this.#ids.set(session, id)
      return session
    }
    override async commit(session: Session, reply: Reply) {
      const id = this.#ids.get(session)!
      const waiting = sessions.get(id)
      sessions.delete(id)
      return waiting ? await super.commit(session, reply) : NOTHING
    }
  }
}

/** An adapter that reads a body as text before it sends it. */
function readingText(isRead: (reply: Reply) => boolean): typeof ReferenceAdapter {
  return class extends ReferenceAdapter {
    override async write(res: ServerResponse, reply: Reply) {
      if (typeof reply.body === 'string' || !isRead(reply)) return await super.write(res, reply)
      const pieces: Uint8Array[] = []
      for await (const piece of reply.body) pieces.push(Buffer.from(piece))
      res.end(Buffer.concat(pieces).toString())
    }
  }
}

/** Adapters whose mistake looks like a good idea. `by`: a case that rejects it. */
export const plausibleAdapters: readonly (BrokenAdapter & { by: string })[] = [
  ...['adapter/logout-then-error', 'adapter/saved-then-error'].map(by => ({
    id: `status: from 500 on there is no commit (${by})`,
    by,
    Adapter: class extends ReferenceAdapter {
      override async commit(session: Session, reply: Reply) {
        return reply.status >= 500 ? NOTHING : await super.commit(session, reply)
      }
    },
  })),
  {
    id: 'status: there is no commit after an error that was thrown',
    by: 'adapter/logout-then-error',
    Adapter: class extends ReferenceAdapter {
      override async commit(session: Session, reply: Reply) {
        return reply.body === 'error 500' ? NOTHING : await super.commit(session, reply)
      }
    },
  },
  {
    id: 'status: an error page gets no cookie',
    by: 'adapter/saved-then-error',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, out: Out) {
        return super.headers(reply, reply.status >= 500 ? { ...out, setCookies: [] } : out)
      }
    },
  },
  {
    id: 'carrier: a body that is the session varies by Cookie alone',
    by: 'adapter/body-is-session-carrier',
    Adapter: readingLate(current => varyBy(current, undefined)),
  },
  {
    id: 'carrier: an empty header counts as absent',
    by: 'adapter/empty-header-carrier',
    Adapter: class extends ReferenceAdapter {
      override client(req: IncomingMessage) {
        return { ...super.client(req), header: (name: string) => req.headers[name] || undefined }
      }
    },
  },
  {
    id: 'request: one of the web is made of it, for the hooks',
    by: 'adapter/request-of-framework',
    Adapter: class extends ReferenceAdapter {
      override client(req: IncomingMessage) {
        return { ...super.client(req), request: new Request(new URL(req.url ?? '/', 'http://probe')) }
      }
    },
  },
  {
    id: 'patience: no store may delay a page by more than a second',
    by: 'adapter/slow-save',
    Adapter: hasty(1_000),
  },
  {
    id: 'patience: 3 s are long enough for any save',
    by: 'adapter/slow-save',
    Adapter: hasty(3_000),
  },
  {
    id: 'events: a stream of them must open at once',
    by: 'adapter/stream-types',
    Adapter: skipping(req => req.url?.includes('event-stream') === true),
  },
  {
    id: 'property: where a session is, its middleware must have run already',
    by: 'adapter/two-engines-one-property',
    Adapter: class extends ReferenceAdapter {
      constructor(...[sessions, inner, ways = {}]: ConstructorParameters<typeof ReferenceAdapter>) {
        super(sessions, ways.sameProperty ? undefined : inner, ways)
      }
    },
  },
  {
    id: 'patience: no load may delay a page by more than a second',
    by: 'adapter/slow-load',
    Adapter: class extends ReferenceAdapter {
      override async load(session: Session) {
        await Promise.race([super.load(session), sleep(1_000, undefined, { ref: false })])
      }
    },
  },
  {
    id: 'method: a GET changes nothing that it would be an error to lose',
    by: 'adapter/save-fails-by-any-method',
    Adapter: class extends ReferenceAdapter {
      override async commit(session: Session, reply: Reply) {
        try {
          return await super.commit(session, reply)
        } catch (error) {
          if (this.requestOf(session)?.method === 'GET') return NOTHING
          throw error
        }
      }
    },
  },
  {
    id: 'open: nothing can go wrong yet',
    by: 'adapter/begin-fails',
    Adapter: class extends ReferenceAdapter {
      override async handle(req: IncomingMessage, res: ServerResponse) {
        this.open(req)
        await super.handle(req, res)
      }
    },
  },
  {
    id: 'request: the functions about it are made once, and look at the last one',
    by: 'adapter/devices-at-once',
    Adapter: class extends SharingAdapter {
      override device(req: IncomingMessage) {
        return super.device(this.current ?? req)
      }
    },
  },
  {
    id: 'error: only the cookie of the session is added to it',
    by: 'adapter/header-carrier',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, { headers, ...out }: Out) {
        const isError = reply.status >= 400
        return super.headers(reply, { ...out, ...(headers && !isError && { headers }) })
      }
    },
  },
  {
    id: 'body: one of a known length is copied as text',
    by: 'adapter/bytes',
    Adapter: readingText(({ headers }) => headers['content-length'] !== undefined),
  },
  {
    id: 'body: one of an unknown length is copied as text',
    by: 'adapter/bytes',
    Adapter: readingText(({ headers }) => headers['content-length'] === undefined),
  },
  {
    id: 'body: it flows while the session is loaded',
    by: 'adapter/with-body-slow-store',
    Adapter: class extends ReadingBodies {
      override async load(session: Session) {
        this.requestOf(session)?.resume()
        await super.load(session)
      }
    },
  },
  ...Object.entries({
    'pictures, styles and fonts need no session': (req: IncomingMessage) =>
      /^(?:image|style|script|font)$/.test(String(req.headers['sec-fetch-dest'])),
    'what is fetched ahead counts for nothing': (req: IncomingMessage) =>
      /prefetch/.test(`${req.headers['sec-purpose']} ${req.headers['purpose']}`),
    'a script has no session': ({ headers }: IncomingMessage) => headers['x-requested-with'] !== undefined,
    'who accepts pictures wants one': ({ headers }: IncomingMessage) => /image\//.test(headers.accept ?? ''),
    'a preflight is left alone': ({ headers }: IncomingMessage) =>
      headers['access-control-request-method'] !== undefined,
    'robots are not counted': ({ headers }: IncomingMessage) =>
      /bot|probe/i.test(headers['user-agent'] ?? ''),
  }).map(([id, leave]) => ({
    id: `headers: ${id}`,
    by: 'adapter/request-headers',
    Adapter: skipping(leave),
  })),
  {
    id: 'upgrade: every request with the header is taken for one',
    by: 'adapter/offers-h2c',
    Adapter: class extends ReferenceAdapter {
      override async handle(req: IncomingMessage, res: ServerResponse) {
        if (req.headers.upgrade === undefined) return await super.handle(req, res)
        await this.sendUntouched(req, res, await this.reply(req, this.open(req)))
      }
    },
  },
  {
    id: 'visitors: what waits is kept by the id that the client sent',
    by: 'adapter/same-request-id',
    Adapter: byId(
      (req, count) => req.headers['x-request-id']?.toString() ?? `${req.socket.remotePort} ${count}`,
    ),
  },
  {
    id: 'visitors: what waits is kept by the number of the request',
    by: 'adapter/same-request-id',
    Adapter: byId((_, count) => `req-${count}`),
  },
]
