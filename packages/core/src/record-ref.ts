import type { RecordId } from './key.ts'

/** A record in the store, as far as this request knows, and how `removeRecord` treats it. */
export interface RecordRef {
  readonly id: RecordId
  /** `undefined` after a write of this request, because stores do not return the new version. */
  version?: string | undefined
  /** Remove it only if it is the session of this subject. */
  readonly subject?: string | undefined
  /** The record is the marker that a rotation left: the id of the record that took its place. */
  successor?: unknown
  /** Remove the record even if it has expired by this clock. A fast clock finds no session, and a logout must end it. */
  readonly ignoreExpiry?: boolean
  /** Remove also what took the place of a key that was rotated before the time of grace (option `reuse`). */
  readonly followsOldMarkers?: boolean | undefined
}

/** Returns the version and forgets it: after a write, whatever its outcome, the version must be read again. */
export function takeVersion(ref: RecordRef): string | undefined {
  const { version } = ref
  ref.version = undefined
  return version
}
