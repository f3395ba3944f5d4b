import type { Activity, ActivityLog } from './activity.ts'
import { Rejection } from './request-check.ts'

/** Pages that may listen at the same time. */
const MAX_LISTENERS = 20
/** A stream ends after so long. The browser opens the next, and `authorize` decides anew. Milliseconds. */
const LIFETIME = 300_000
/** A proxy may close a connection on which nothing is sent. Milliseconds. */
const HEARTBEAT = 15_000
/** Messages that may wait for a slow browser. It misses the next ones. */
const MAX_WAITING = 200

/**
 * The events from now on, as server-sent events (HTML Living Standard, section 9.2). A browser that connects again gets
 * those that it missed, as far as they are remembered.
 */
export function eventStream(
  log: ActivityLog,
  lastSeen: number,
  signal: AbortSignal,
): ReadableStream<Uint8Array> {
  if (log.listening >= MAX_LISTENERS) {
    throw new Rejection(503, `${MAX_LISTENERS} pages listen already.`, 'Close some of them.')
  }
  const encoder = new TextEncoder()
  let stop = (): void => undefined
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const send = (text: string): void => {
          if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(text))
        }
        const end = (): void => {
          stop()
          controller.close()
        }
        const stopListening = log.listen(activity => send(message(activity)))
        const heartbeat = setInterval(() => send(':\n\n'), HEARTBEAT)
        const lifetime = setTimeout(end, LIFETIME)
        stop = () => {
          stopListening()
          clearInterval(heartbeat)
          clearTimeout(lifetime)
          signal.removeEventListener('abort', end)
        }
        signal.addEventListener('abort', end)
        send('retry: 2000\n\n')
        for (const activity of log.recent(lastSeen).reverse()) send(message(activity))
      },
      cancel: () => stop(),
    },
    { highWaterMark: MAX_WAITING },
  )
}

function message(activity: Activity): string {
  return `id: ${activity.number}\ndata: ${JSON.stringify(activity)}\n\n`
}
