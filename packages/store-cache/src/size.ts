// Bytes that V8 needs for a session beside its characters: entry, id, slots of map and list (Node 24, 64 bit, hash table
// half full; `pnpm campaign cache-heap`). And for a subject: its string and its place in the index.
const ENTRY_BYTES = 224
const SUBJECT_BYTES = 80

/** The bytes of memory that a session takes, about. */
export function estimate({ payload, subject }: { payload: string; subject: string | undefined }): number {
  const bytes = ENTRY_BYTES + bytesOf(payload)
  return subject === undefined ? bytes : bytes + SUBJECT_BYTES + bytesOf(subject)
}

/** V8 keeps one byte a character if all are Latin-1, otherwise two. */
function bytesOf(text: string): number {
  return /[^\0-\xff]/.test(text) ? 2 * text.length : text.length
}
