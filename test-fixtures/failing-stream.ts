import { Readable } from 'node:stream'
import type { ProbeAnswer } from '@sess/conformance'

/** The stream of Node that `failing` of a probe route asks for. Not in `probe.ts`, which also runs without Node. */
export function failingStream({ body, begin }: NonNullable<ProbeAnswer['failing']>): Readable {
  const source = Readable.from(body)
  begin(error => source.destroy(error))
  return source
}
