/**
 * Where Sess differs from Django, on purpose: the entries of docs/django.md, which says why. Each is a switch
 * of the model: with all of them off it is Django, with all of them on it is Sess.
 */
export const DIFFERENCES = {
  'loaded-once':
    'A session is loaded once, before its first use, and nothing is done to one that is not loaded.',
  'issued-keys-only': 'Only keys of the form that the engine issues are looked up, by any method.',
  'map-like': 'A session is like a Map: a missing key reads as undefined, and it has a size and an iterator.',
  'json-data': 'Data are JSON with text for keys, in every store and from the start.',
  'end-of-request':
    '`flush` and `cycleKey` show at once and are carried out by `save()` or with the response.',
  'ended-is-ended':
    'A session that has expired, or ended in another request, does not exist. No save or `cycleKey` brings it back.',
  'nothing-from-nothing': 'A cookie without a session behind it never makes a session by itself.',
  merge: 'Overlapping requests merge their changes; neither wins whole.',
  'one-rule-for-all-stores':
    'In every store the record alone says how long a session lives and what is in it.',
  'cookie-life':
    'A cookie session lives as long as its data say; a token that does not verify is no session.',
  'cookie-methods': 'What cannot be done to a cookie session on the server is not pretended.',
  'failed-save': 'A save that failed can be made good, and leaves nothing half made.',
  'expiry-is-a-moment': 'An expiry is seconds or a moment in milliseconds; everything else is an error.',
  'cookie-attributes': 'A cookie is deleted with the attributes that set it, and lives 400 days at the most.',
  'config-error': 'Settings that browsers ignore or that make no sense are an error at start-up.',
  'saved-is-sent': 'The key of a session that an explicit save made is sent, whatever the status.',
  'extend-is-touch':
    '`saveEveryRequest` extends a session without rewriting it, and quietly drops one that is gone.',
  'no-late-changes': 'A change after the response began is an error.',
  'told-is-varied': 'Whatever tells about the visitor sets `Vary: Cookie`, `isEmpty` and `sessionKey` too.',
  'one-cookie': 'Two different cookies of the session’s name: neither is used.',
} as const

export type Difference = keyof typeof DIFFERENCES

export const ALL = new Set(Object.keys(DIFFERENCES) as Difference[])
