import type { Sessions } from './engine.ts'
import { ConfigError } from './errors.ts'
import { INSPECT, type Inspectable } from './inspectable.ts'

export { bytes, counted, duration, isoMoment, moment, number, relative } from './format.ts'
export type { Inspectable, WatchedHook, Watcher } from './inspectable.ts'
export { type Hides, jsonReady } from './json-ready.ts'
export { isSecret, looksSecret, MASK } from './mask.ts'
export { printable } from './printable.ts'
export { type Decode, type Decoded, hasValue, newestFirst, type SessionView, viewOf } from './session-view.ts'

/**
 * What a tool may see of an engine: its store, its codec and its events. For tools such as `sess` and the inspector;
 * an application calls the methods of the engine.
 *
 * @throws ConfigError (`CONFIG`) for something else than an engine
 * @example
 * const { store, now } = inspect(sessions)
 * for await (const entry of store?.scan?.({ now: now() }) ?? []) console.log(entry.id)
 */
export function inspect(sessions: Sessions<any>): Inspectable {
  const method = (sessions as Partial<Sessions> | undefined)?.[INSPECT]
  if (typeof method === 'function') return method.call(sessions)
  throw new ConfigError('sessions', 'takes an engine. Make one at start-up: createSessions(options).')
}
