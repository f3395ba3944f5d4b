/** What to change in a store that fails one check of a case, where the remedy of the whole case would mislead. */
export const CHECK_REMEDIES = {
  expiry:
    'Keep `expiresAt` as it is: milliseconds since the epoch, in a 64-bit number. insert(), replace() and touch() write it at ' +
    'once and return when it is written; none is held back, rounded or cached.',
  backendLife:
    'Set the backend’s own time to live anew with each insert(), replace() and touch(), in its own unit (`PEXPIRE` after `HSET` ' +
    'in Redis; `ttlSeconds` of `@sess/core/store`). A minute longer than `expiresAt` is right.',
  cache:
    'Read from the backend. If you cache, drop the copy before the write returns, in every process. "Not found" is no answer to ' +
    'keep: another process may insert the record at any time.',
  readChangesNothing:
    'A read changes nothing: it removes no record that has expired by its own `now`, and does not remember "not found" for the ' +
    'next read, whose `now` may be earlier. clearExpired() removes.',
  lostUpdate:
    'Compare the version and write in one step of the backend. Read payload and version by one command, or an old payload gets a ' +
    'new version. A payload that is equal is no equal version: return "stale" whenever the version is another.',
  anyVersion:
    'remove() without a version takes whatever is there. If the record changed between your look and your removal, look and try ' +
    'again; "stale" is only for a remove() with a version.',
  countLive:
    'Count the live records alone that removeBySubject() removed: those whose `expiresAt` is later than `now`.',
  except:
    'Do not drop the index of a subject as a whole: the session named by `except`, and one that begins at the same time, would be ' +
    'in none. Remove the entry of each record that was removed.',
} as const
