import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Session } from '@sess/core'
import type { Reply } from '../reference-app.ts'
import { type Out, ReferenceAdapter } from '../reference-probe.ts'
import type { BrokenAdapter } from './broken-adapters.ts'

/** Adapters that go wrong where a response is no page of a route. `by`: a case that rejects it. */
export const offRouteAdapters: readonly (BrokenAdapter & { by: string })[] = [
  {
    id: 'error: the cookies of the session replace the headers of the error',
    by: 'adapter/thrown-headers',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, out: Out) {
        const isError = reply.status >= 400 && out.setCookies.length > 0
        return super.headers(isError ? { ...reply, headers: {} } : reply, out)
      }
    },
  },
  {
    id: 'error: the cookie of the error itself is dropped for that of the session',
    by: 'adapter/thrown-headers',
    Adapter: class extends ReferenceAdapter {
      override headers(reply: Reply, out: Out) {
        const headers = super.headers(reply, out)
        const isReplaced = reply.status === 401 && out.setCookies.length > 0
        return isReplaced ? { ...headers, 'set-cookie': out.setCookies } : headers
      }
    },
  },
  {
    id: 'error: its status decides, whatever it is',
    by: 'adapter/thrown-unusual',
    Adapter: class extends ReferenceAdapter {
      readonly #own = new WeakMap<Reply, number>()
      override failed(error: unknown) {
        const reply = super.failed(error)
        const { status } = error as { status?: unknown }
        // What the app's error handler chooses counts.
        if (reply.status === 500 && status !== undefined) this.#own.set(reply, Number(status))
        return reply
      }
      override async commit(session: Session, reply: Reply) {
        return await super.commit(session, { ...reply, status: this.#own.get(reply) ?? reply.status })
      }
    },
  },
  {
    id: 'not found: a path that no route is for has no session',
    by: 'adapter/not-found',
    Adapter: class extends ReferenceAdapter {
      override async handler(req: IncomingMessage, session: Session, inner?: Session) {
        if (req.url?.startsWith('/no')) throw new TypeError('Cannot read properties of null')
        return await super.handler(req, session, inner)
      }
    },
  },
  {
    id: 'not found: a response of 404 is not committed where no route was found',
    by: 'adapter/not-found',
    Adapter: class extends ReferenceAdapter {
      override async commit(session: Session, reply: Reply) {
        const isUnknown = this.requestOf(session)?.url?.startsWith('/no/')
        return isUnknown
          ? { setCookies: [], vary: false, private: false }
          : await super.commit(session, reply)
      }
    },
  },
  {
    id: 'body: one that fails leaves the client waiting',
    by: 'adapter/failing-body',
    Adapter: class extends ReferenceAdapter {
      override async write(res: ServerResponse, reply: Reply) {
        await super.write(res, reply).catch(() => undefined)
      }
    },
  },
  {
    id: 'body: one that fails is sent as if it were whole',
    by: 'adapter/failing-body',
    Adapter: class extends ReferenceAdapter {
      override async write(res: ServerResponse, reply: Reply) {
        await super.write(res, reply).catch(() => void res.end())
      }
    },
  },
  {
    id: 'background: the path is not passed to the engine',
    by: 'adapter/background',
    Adapter: class extends ReferenceAdapter {
      override client(req: IncomingMessage) {
        const { target: _, ...client } = super.client(req)
        return client
      }
    },
  },
]
