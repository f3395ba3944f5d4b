/** What is used of a payload, which may be a Node stream, a web stream, a `Response`, or none of them. */
interface StreamLike {
  pipe?: unknown
  on?(event: 'error', listener: () => void): unknown
  destroy?(): void
  body?: StreamLike | null
  cancel?(): Promise<void>
}

/** Fastify listens to a Node stream when it sends it. Until then an error would end the process. */
export function listenToErrors(payload: unknown): void {
  const stream = payload as StreamLike | null | undefined
  if (typeof stream?.pipe === 'function') stream.on?.('error', () => undefined)
}

/** Closes the stream of a response that will not be sent, because nobody else would. */
export function discardPayload(payload: unknown): void {
  if (typeof payload !== 'object' || payload === null) return
  const stream = payload as StreamLike
  if (typeof stream.pipe === 'function') stream.destroy?.()
  // It rejects when somebody reads the stream: then that reader closes it.
  else (stream.body ?? stream).cancel?.().catch(() => undefined)
}
