import type { IncomingMessage, ServerResponse } from 'node:http'
import { ReferenceAdapter } from '../reference-probe.ts'
import type { BrokenAdapter } from './broken-adapters.ts'

/** An adapter that takes something of a request for granted. Its error is nobody's: the request gets no response. */
function assuming(look: (req: IncomingMessage) => unknown): typeof ReferenceAdapter {
  return class extends ReferenceAdapter {
    override async handle(req: IncomingMessage, res: ServerResponse) {
      look(req)
      await super.handle(req, res)
    }
  }
}

const METHODS: Record<string, { reads: boolean }> = {
  GET: { reads: true },
  HEAD: { reads: true },
  OPTIONS: { reads: true },
  POST: { reads: false },
  PUT: { reads: false },
  PATCH: { reads: false },
  DELETE: { reads: false },
}

/** What is taken for granted, by the name of the request that shows otherwise. */
const ASSUMPTIONS: Record<string, (req: IncomingMessage) => unknown> = {
  absolute: joinsHostAndPath,
  asterisk: joinsHostAndPath,
  'wrong-host': joinsHostAndPath,
  'empty-host': ({ headers, url }) => new URL(url!, `http://${headers.host}`),
  'two-slashes': ({ url }) => new URL(url!, 'http://localhost'),
  'no-host': ({ headers }) => headers.host!.split(':'),
  'unusual-method': ({ method }) => METHODS[method!]!.reads,
  'not-encoded': ({ url }) => decodeURI(url!),
  'wrong-cookies': ({ headers }) => headers.cookie?.split(';').map(decodeURIComponent),
  'wrong-proxy-headers': ({ headers }) => new URL(`https://${headers['x-forwarded-host'] ?? 'localhost'}`),
}

function joinsHostAndPath({ headers, url }: IncomingMessage): URL {
  return new URL(`http://${headers.host}${url}`)
}

/** Adapters that fail outside the error handling for a request that is no usual one. `by`: the case that rejects it. */
export const oddRequestAdapters: readonly (BrokenAdapter & { by: string })[] = Object.entries(
  ASSUMPTIONS,
).map(([request, look]) => ({
  id: `assumes something that is not so of ${request}`,
  by: `adapter/odd-${request}`,
  Adapter: assuming(look),
}))
