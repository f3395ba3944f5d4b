import type { RecordId } from './key.ts'

/** A record in the store, as far as this request knows. */
export interface RecordRef {
  readonly id: RecordId
  /** `undefined` after a write of this request, because stores do not return the new version. */
  version?: string | undefined
  /** The record is the marker that a rotation left: the id of the record that took its place. */
  successor?: unknown
  /** It was not found. It is removed even if it has expired by the clock, because a fast clock finds nothing. */
  readonly ageless?: boolean
}

/** The version that was read, for one use: whatever the store does with it, the record then has another. */
export function takeVersion(ref: RecordRef): string | undefined {
  const { version } = ref
  ref.version = undefined
  return version
}
