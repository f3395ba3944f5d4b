import type { Reply } from '../reference-app.ts'
import { type Out, ReferenceAdapter } from '../reference-probe.ts'

/**
 * An adapter of a framework that makes JSON of a body when it is sent, after the commit. It then sets `Vary` to what `varyOf`
 * returns.
 *
 * @param varyOf gets the `Vary` that is there, and the names that the commit has for it
 */
export function readingLate(
  varyOf: (current: string | undefined, names: string) => string,
): typeof ReferenceAdapter {
  return class extends ReferenceAdapter {
    readonly #late = new WeakSet<object>()
    override withBody(reply: Reply) {
      const made = super.withBody(reply)
      return reply.json ? { ...made, body: this.#marked(made.body as string) } : made
    }
    override headers(reply: Reply, out: Out) {
      const headers = super.headers(reply, out)
      if (typeof reply.body === 'string' || !this.#late.has(reply.body)) return headers
      return { ...headers, vary: varyOf(reply.headers['vary']?.toString(), out.varyBy ?? 'Cookie') }
    }
    #marked(text: string): AsyncIterable<string> {
      const body = (async function* () {
        yield text
      })()
      this.#late.add(body)
      return body
    }
  }
}
