import { OutgoingMessage, type ServerResponse } from 'node:http'
import type { Session } from '@sess/core'
import type { ProbeAnswer } from '../../src/probe-routes.ts'
import { type Out, ReferenceAdapter } from '../reference-probe.ts'
import type { BrokenAdapter } from './broken-adapters.ts'

const nothing: Out = { setCookies: [], vary: false, private: false }

type Commit = (status: number) => Promise<Out>
/** Holds a response, as the right adapter does. */
type Hold = (commit: Commit) => void

/** An adapter that holds the response of `node:http` in another way. */
function holding(how: (res: ServerResponse, commit: Commit, hold: Hold) => void): typeof ReferenceAdapter {
  return class extends ReferenceAdapter {
    override hold(res: ServerResponse, commit: Commit) {
      how(res, commit, own => super.hold(res, own))
    }
  }
}

/** Adapters that go wrong where a handler writes the response of `node:http` itself. `by`: a case that rejects it. */
export const rawAdapters: readonly (BrokenAdapter & { by: string })[] = [
  {
    id: 'raw: what does not go through the framework is not held',
    by: 'adapter/raw-saves',
    Adapter: holding(() => undefined),
  },
  {
    id: 'raw: the head leaves when it is written, and the save begins then',
    by: 'adapter/raw-saves',
    Adapter: holding((res, commit) => {
      const { writeHead } = res
      res.writeHead = ((...args: Parameters<typeof writeHead>) => {
        commit(args[0]).catch(() => undefined)
        return writeHead.apply(res, args)
      }) as typeof writeHead
    }),
  },
  {
    id: 'raw: the status is that of res.statusCode, and not the argument of writeHead',
    by: 'adapter/raw-status',
    Adapter: holding((res, commit, hold) => hold(() => commit(res.statusCode))),
  },
  {
    id: 'raw: headers that are sent before the body are held until the body',
    by: 'adapter/raw-flush-headers',
    Adapter: holding((res, commit, hold) => {
      hold(commit)
      res.flushHeaders = () => undefined
    }),
  },
  {
    id: 'raw: a list of headers is read as an object',
    by: 'adapter/raw-headers',
    Adapter: holding((res, commit, hold) => {
      hold(commit)
      const { writeHead } = res
      res.writeHead = ((status: number, headers?: object) =>
        writeHead.call(
          res,
          status,
          Array.isArray(headers) ? ({ ...headers } as never) : (headers as never),
        )) as typeof writeHead
    }),
  },
  {
    id: 'raw: a message before the headers hides them',
    by: 'adapter/raw-headers',
    Adapter: holding((res, commit, hold) => {
      hold(commit)
      const { writeHead } = res
      res.writeHead = ((status: number, headers?: object | string) =>
        writeHead.call(
          res,
          status,
          typeof headers === 'string' ? undefined : (headers as never),
        )) as typeof writeHead
    }),
  },
  {
    id: 'raw: a save that fails is not noticed once the response was handed over',
    by: 'adapter/raw-save-fails',
    Adapter: holding((_, commit, hold) => hold(status => commit(status).catch(() => nothing))),
  },
  {
    id: 'raw: the cookie is pushed into the list that the application has set',
    by: 'adapter/constant-cookies',
    Adapter: holding((res, commit, hold) =>
      hold(async status => {
        const { setCookies, ...others } = await commit(status)
        for (const cookie of setCookies)
          OutgoingMessage.prototype.appendHeader.call(res, 'Set-Cookie', cookie)
        return { ...others, setCookies: [] }
      }),
    ),
  },
  {
    id: 'raw: what was held is sent without its encoding and its callback',
    by: 'adapter/raw-encodings',
    Adapter: holding((res, commit, hold) => {
      hold(commit)
      const { write, end } = res
      res.write = ((chunk: string) => write.call(res, chunk, 'utf8')) as typeof write
      res.end = ((chunk: string) => end.call(res, chunk, 'utf8')) as typeof end
    }),
  },
  {
    id: 'raw: early hints are taken for the first byte of the response',
    by: 'adapter/early-hints',
    Adapter: holding((res, commit, hold) => {
      hold(commit)
      const { writeEarlyHints } = res
      res.writeEarlyHints = (...args) => {
        commit(res.statusCode).catch(() => undefined)
        writeEarlyHints.apply(res, args)
      }
    }),
  },
  {
    id: 'raw: the session is committed when the handler returns',
    by: 'adapter/raw-late',
    Adapter: class extends ReferenceAdapter {
      override async handOver(session: Session, res: ServerResponse, raw: NonNullable<ProbeAnswer['raw']>) {
        await super.handOver(session, res, raw)
        await this.commit(session, { status: res.statusCode, headers: {}, body: '' })
      }
    },
  },
]
