import { channel } from 'node:diagnostics_channel'
import type { HookName, Hooks } from '@sess/core'

/** An object, so that the type checker finds an event that is missing. */
const EVENTS: Record<HookName, true> = {
  created: true,
  adopted: true,
  loaded: true,
  saved: true,
  touched: true,
  rotated: true,
  reused: true,
  destroyed: true,
  conflict: true,
  interrupted: true,
  corrupt: true,
  storeError: true,
  warning: true,
}

/**
 * Hooks that publish every event to `node:diagnostics_channel`, on `sess:created`, `sess:loaded` and so on. The message
 * is the event that the hook gets. Without a subscriber an event only costs a look at its channel.
 *
 * @returns the `hooks` option of `createSessions`
 * @example
 * createSessions({ store, hooks: diagnostics() })
 */
export function diagnostics(): Hooks {
  return Object.fromEntries(
    Object.keys(EVENTS).map(name => {
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
