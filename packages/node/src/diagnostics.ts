import { channel } from 'node:diagnostics_channel'
import type { HookName, Hooks } from '@sess/core'

const EVENTS: readonly HookName[] = [
  'created',
  'loaded',
  'saved',
  'touched',
  'rotated',
  'destroyed',
  'conflict',
  'interrupted',
  'corrupt',
  'storeError',
  'warning',
]

/**
 * Hooks that publish every event to `node:diagnostics_channel`, on `sess:created`, `sess:loaded` and so on; the
 * message is the hook's event. Without a subscriber an event costs a look at its channel.
 *
 * ```ts
 * createSessions({ store, hooks: diagnostics() })
 * ```
 */
export function diagnostics(): Hooks {
  return Object.fromEntries(
    EVENTS.map(name => {
      const published = channel(`sess:${name}`)
      return [
        name,
        (event: unknown) => {
          if (published.hasSubscribers) published.publish(event)
        },
      ]
    }),
  )
}
