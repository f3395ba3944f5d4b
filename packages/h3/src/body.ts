import type { MaybePromise } from '@sess/core'
import { settle } from '@sess/core/adapter'
import { isHTTPResponse } from './response.ts'

/** What of a Node stream is used here, where there need be no Node. */
interface NodeStream {
  pipe: unknown
  on(event: 'error', listener: () => void): unknown
  errored: Error | null
  destroy(): void
}

/**
 * Saves, and returns what the handler returned. Until then nobody but us knows of its body: the error of a Node stream,
 * unheard, would end the process, h3 cannot answer with a stream that has failed, and what will not be sent would never
 * be closed.
 */
export function keepBody(returned: unknown, save: () => MaybePromise<void>): unknown {
  const body = returned instanceof Response || isHTTPResponse(returned) ? returned.body : returned
  const node = isNodeStream(body) ? body : undefined
  node?.on?.('error', () => undefined)
  return settle(
    save,
    () => {
      if (node?.errored) throw node.errored
      return returned
    },
    error => {
      // It rejects for a stream that somebody reads, who ends it then.
      if (body instanceof ReadableStream) body.cancel().catch(() => undefined)
      node?.destroy?.()
      throw error
    },
  )
}

function isNodeStream(body: unknown): body is Partial<NodeStream> {
  return typeof (body as Partial<NodeStream> | null | undefined)?.pipe === 'function'
}
