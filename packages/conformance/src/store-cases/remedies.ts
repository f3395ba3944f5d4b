import { type Remedy, remedyFrom } from '../remedy.ts'

/**
 * What to change in a store that fails a case, by the case's id. The first pattern that matches counts, so the special ones come
 * first.
 */
export const REMEDIES: readonly Remedy[] = [
  [
    /^store\/process-busy/,
    'Take the lock for writing before the first look (`BEGIN IMMEDIATE` in SQLite, whose busy_timeout does not wait otherwise), ' +
      'and repeat what the backend rejects because of contention, after a short random pause.',
  ],
  [
    /^store\/process-same-number/,
    'Make a version of random bits (`crypto.randomUUID()`) or let the backend count. In containers every process has the number 1.',
  ],
  [
    /^store\/process-/,
    'Let the backend compare and write. A lock, a counter or a cache in the memory of one process does not hold for another one.',
  ],
  [
    /^store\/lost-index/,
    'Write the entry of the index before the record, or both in one step. An entry that leads nowhere does no harm; a session ' +
      'without an entry escapes. Take the old entry away last.',
  ],
  [
    /^store\/fails-partly/,
    'Look at the result of each command of a pipeline, a batch or `Promise.allSettled`, and throw its error. A removal that failed ' +
      'is not one that found nothing.',
  ],
  [
    /^store\/(?:everywhere-after-(?:touch|short)|life-of-index)/,
    'Let touch() and replace() move the expiry in the index as well. Let the index of a subject expire with the longest of its ' +
      'sessions, never earlier (`PEXPIRE … GT` in Redis). Remove an entry when its record is gone, not by its age.',
  ],
  [
    /^store\/restarted/,
    'Load a script or prepare a statement again when the backend does not know it (`NOSCRIPT`: send `EVAL` once). Keep nothing ' +
      'of one connection for the next.',
  ],
  [
    /^store\/clear-expired-live-pages/,
    'Go on while the backend gives a next page (`LastEvaluatedKey`, a cursor), however empty the page is.',
  ],
  [
    /^store\/life-size-longest-subject/,
    'Declare a smaller `maxBytes`: the limit of an item, less its names, the id and a subject of 765 bytes. Count the subject ' +
      'twice if the index is in the same item.',
  ],
  [
    /^store\/everywhere-thousands/,
    'Remove in batches of a few hundred. A command, a script or a statement takes a limited number of arguments: 7,999 by ' +
      '`unpack` in Lua, 65,535 in PostgreSQL, 32,766 in SQLite, 25 in a batch of DynamoDB.',
  ],
  [
    /^store\/everywhere-amid-scans/,
    'Do not remove an entry of the index because its record is not there: the record may be written in a moment. Remove it only ' +
      'when it is older than a write can take, a minute say, and still leads nowhere.',
  ],
  [
    /^store\/everywhere-megabytes/,
    'Ask again for what the backend left out of its answer (`UnprocessedKeys`, `LastEvaluatedKey`, a cursor), until nothing is left.',
  ],
  [
    /^store\/(?:down|fails|many)-/,
    'Let the client’s error reach the caller. No `catch` may return null, false or "gone". Set the client’s own time limit below ' +
      '--call-timeout (callTimeout), and let the client connect again by itself.',
  ],
  [
    /^store\/lost-/,
    'A write that is sent again must recognise its own first time, by a version that was made before the first attempt. Otherwise ' +
      'turn off the client’s own repetition and reject.',
  ],
  [
    /^store\/(?:signal|abort)-/,
    'Check `signal` before a call is sent, never between two parts of one write. A call that was given up rejects and never returns ' +
      'null. Give its connection and its locks back in a `finally`.',
  ],
  [
    /^store\/stalled-/,
    'Leave the client’s own time limit of a command off (`commandTimeout`, `requestTimeout`): it does not look at what has arrived. ' +
      'Keep the time in the store, and reject by `whenTimeIsUp` of `@sess/core/store`, which lets replies that have arrived come first.',
  ],
  [
    /^store\/frozen-backend/,
    'Bound the queue of calls that are not sent yet, and take a call out of it when its `signal` is aborted.',
  ],
  [
    /^store\/clear-expired-(?:left|amid)/,
    'Hold no transaction, lock or cursor while clearExpired() yields. Remove each batch in a short transaction of its own that ends ' +
      'before the batch is reported. Other calls of the same connection would join an open one, and be rolled back with it.',
  ],
  [
    /^store\/(?:scan|scan-by-subject)-open/,
    'Fetch a page, end its statement, and hand out its entries. While the caller has an entry, keep no cursor, transaction or snapshot ' +
      'open on a connection that other calls use.',
  ],
  [
    /^store\/ids-listed/,
    'Keep ids in a type that gives them back as they are: `text`, or `varchar(40)` with a binary collation. `char(40)` pads shorter ids ' +
      'with blanks, and a numeric type changes digits. An `except` is compared as the whole id.',
  ],
  [
    /^store\/(?:refused-keeps-subject|insert-again)/,
    'Change the index of subjects in the step that compares and writes the record, and only if it writes. An insert that replaces an ' +
      'expired record sets every column: `subject = excluded.subject` too.',
  ],
  [
    /^store\/rejected-beside/,
    'Check a record before its call joins a batch (one statement, pipeline or transaction for several calls). If a batch fails because ' +
      'of one call, repeat the others one by one, and reject that one alone.',
  ],
  [
    /^store\/remove-by-subject-races-big-replace/,
    'Wait for records that somebody else is writing: no `SKIP LOCKED`, no `NOWAIT`, no skipping of a lock that is taken. Then look ' +
      'again until none is found: `removeEach` of `@sess/core/store` does that.',
  ],
  [
    /^store\/fresh-while-read/,
    'A read that begins after a write must not join an older read of the same id ("single flight"). Do not join at all. Within one ' +
      'process you could begin a new read after each write, but other processes write as well.',
  ],
  [
    /^store\/read-while-replaced/,
    'Read payload and version in one step, and write a record that consists of several pieces in one step. A read that begins after a ' +
      'write must not join an older read that is still under way.',
  ],
  [
    /^store\/touch-shortens/,
    'Set the expiry to the time that is given, without `max()` or `GREATEST`. If the backend expires by itself, set its time to live too.',
  ],
  [
    /^store\/(?:.*clear-expired|few-among)/,
    'Choose some expired ids, then remove them with the condition "still expired" in the same statement, and report after each ' +
      'batch of `batchSize`. Hold no transaction while you yield. Go on until a batch is empty, not until one is short.',
  ],
  [
    /^store\/(?:everywhere|remove-by-subject|fresh-after-remove-by-subject|subject|hidden|.*-by-subject|replace-(?:drops|adds)-subject)/,
    'Write the index of subjects in one step with the record, in insert(), replace() and remove(). Compare subjects byte for byte, ' +
      'as parameters. Remove each record at the version that was seen, and repeat until none is found: `removeEach` of ' +
      '`@sess/core/store` does that. If the index is only eventually consistent, leave the methods for subjects out.',
  ],
  [
    /^store\/(?:scan|overlap-.*scan)/,
    'List the keys of your own prefix only, escaped in a pattern. Go on by a cursor or behind the last key, not by an offset, and ' +
      'not only until a page is short or empty. Release what the iteration holds in a `finally`.',
  ],
  [/^store\/count/, 'Count live and expired records by `now`, and stop at `limit`.'],
  [
    /^store\/close/,
    'close() releases what the store itself has opened. It leaves a connection that was handed in open, and other stores alone.',
  ],
  [
    /^store\/(?:payload-big|payload-boundaries|life-size)/,
    'Choose a type that holds 1 MiB (`LONGTEXT` in MySQL), or declare as `maxBytes` what fits. Write a record that consists of ' +
      'several pieces in one step. Join the pieces as bytes, and decode them once.',
  ],
  [
    /^store\/(?:frozen-input|isolation)/,
    'Copy the record on its way in and on its way out, by `structuredClone` or as text. Do not write to an argument.',
  ],
  [
    /^store\/(?:payload|life-text|life-written|read-what|read-without)/,
    'Keep payload and subject as the texts they are, encoded as UTF-8 (`utf8mb4` in MySQL) and passed as parameters. No JSON.parse, ' +
      'no trim, no separator that may be in the text, and no replace() with a text as replacement. Leave `subject` out if there is none.',
  ],
  [
    /^store\/(?:insert-(?:taken|race|only)|overlap-insert-insert)/,
    'Use what the backend has to insert only if the id is free: `ON CONFLICT DO NOTHING`, `SET … NX`, `add`, the flag `wx`. Return ' +
      'false for a taken id. No upsert.',
  ],
  [
    /^store\/(?:second-store|fresh-after|read-races|overlap-read)/,
    'Read from the backend. If you cache, drop the copy before the write returns, in every process, and let no read put back what it ' +
      'fetched before. A read that begins after a write must not join an older one.',
  ],
  [
    /^store\/(?:replace-(?:gone|expired|races-remove)|touch-(?:gone|same-expiry-gone|expired|races-remove)|remove-expired|insert-after-remove|.*overlap-.*remove)/,
    'Write nothing under an id that is not there. replace() and touch() are updates with a condition, never upserts. The condition is ' +
      'in the same statement: id, version and "not expired".',
  ],
  [
    /^store\/(?:version|replace-equal)/,
    'Make a new version with each write, such as `crypto.randomUUID()`, and compare it byte for byte (in SQL with a binary collation). ' +
      'The place or the age of a row or file (`ctid`, an inode, a modification time) comes again, and so does a counter that starts anew. ' +
      'If the payload itself is the version, compare all of it. Count the rows that matched, not those that changed.',
  ],
  [
    /^store\/(?:expires|renewed|arrives|far-future|default-clock|now-undefined|read-expired|own-clock|insert-over-expired|zones|life-life|touch$|touch-(?:extends|same-expiry)|replace-(?:shortens|keeps))/,
    'Keep `expiresAt` as it is: milliseconds since the epoch, in a 64-bit number, no local date. A record is absent from ' +
      '`expiresAt <= now` on, by the `now` of the call. If the backend expires by itself, set its time to live anew with each write, ' +
      'in its own unit: `ttlSeconds` of `@sess/core/store`. No timer: it ends after 24.8 days.',
  ],
  [
    /^store\/(?:read|ids|short-ids|remove$|remove-gone)/,
    'Look up exactly one key, made of the whole id, byte for byte: no pattern, no prefix, no case folding, no shortening (in SQL a ' +
      'binary collation). A read writes nothing. `isSessionId` of `@sess/core/store` tells which ids cannot be there.',
  ],
  [
    /^store\/random/,
    'Make a test of the calls above, then shorten it. If it fails with calls one by one, an answer is wrong. If it fails only with ' +
      'overlapping calls, one of them is not one step of the backend.',
  ],
  [
    /^store\//,
    'Compare the version and write in one step of the backend: `UPDATE … WHERE id = ? AND version = ?`, a transaction that locks, a ' +
      'script, or a CAS token. "Read, compare, then write" lets another request in between. Repeat what the backend rejects because of contention.',
  ],
  [
    /^engine\//,
    'Mend the cases of `store/` that fail first, because this one runs an engine over the store. If none fails, run the calls of this ' +
      'case with a log around the store, and compare each answer with the contract.',
  ],
]

/** What to change in a store that fails this case. */
export function remedyOf(id: string): string {
  return remedyFrom(REMEDIES, id)
}
