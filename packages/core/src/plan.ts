/** What the end of a request depends on. Collected once, before anything is done. */
export interface Facts {
  /** The HTTP status of the response. */
  readonly status: number
  /** The request came with a session cookie, whatever is in it. */
  readonly hasCookie: boolean
  /** Two different session cookies came, so neither was used. */
  readonly isContested: boolean
  /** `modified` is true: set by a method or by hand. */
  readonly isModified: boolean
  /** There is something that the store does not have yet. */
  readonly isUnsaved: boolean
  /**
   * No key and no data, as far as is known. A cookie that leads nowhere counts as a key until something accesses the data: so
   * it is deleted only in a request whose handler reads the session.
   */
  readonly isEmpty: boolean
  /**
   * There is a record under the key that the session has now, or the marker that another request's rotation left. In a cookie
   * session: there is a token. False while rotating, and before the data is accessed.
   */
  readonly isStored: boolean
  /** `cycleKey` was called, and the new key is not stored yet. */
  readonly isRotating: boolean
  /** The key in the cookie was replaced by another request's `cycleKey`. */
  readonly isOnMarker: boolean
  /** `flush` was called, and nothing was stored since. */
  readonly wasFlushed: boolean
  /** `flush` left a record to remove. */
  readonly hasRecordToRemove: boolean
  /** `saveEveryRequest` asks for a longer life. */
  readonly isExtensionDue: boolean
  /** An explicit `save()` of this request has written the session, and so has extended it. */
  readonly isWritten: boolean
  /** An explicit `save()`, or an adoption, has stored a key that the browser does not know. */
  readonly hasKeyToSend: boolean
}

export type Save = 'insert' | 'replace' | 'rotate' | 'reject'

/** What is done at the end of a request, in this order. */
export interface Plan {
  /** Remove the record of the session that `flush` ended. */
  remove: boolean
  /** How the record is written. `reject`: the request fails with SessionInterruptedError. A cookie session is sealed. */
  save: 'none' | Save | 'extend'
  /** `send` only once the store has confirmed that the key leads to this session. */
  cookie: 'none' | 'send' | 'delete'
}

/** Decides what the end of a request means for its session. Changes nothing. `docs/commit.md` shows it as a table. */
export function planCommit(facts: Facts): Plan {
  const save = planSave(facts)
  return { remove: facts.hasRecordToRemove, save, cookie: planCookie(facts, save) }
}

/** Whether there is nothing to do. */
export function isIdle({ remove, save, cookie }: Plan): boolean {
  return !remove && save === 'none' && cookie === 'none'
}

function planSave(facts: Facts): Plan['save'] {
  if (facts.isEmpty || facts.status >= 500) return 'none'
  if (facts.isUnsaved) return howToSave(facts)
  // An explicit `save()` has written the record, or there is none. Only an untouched record may need a longer life.
  if (facts.hasKeyToSend || facts.isWritten || !facts.isStored) return 'none'
  return facts.isExtensionDue ? 'extend' : 'none'
}

/** How a session that is to be saved is saved: by the response, or by `save()`. */
export function howToSave({
  isOnMarker,
  isRotating,
  isStored,
}: Pick<Facts, 'isOnMarker' | 'isRotating' | 'isStored'>): Save {
  // A new session's cookie would replace that of the session which took the place of this one.
  if (isOnMarker) return 'reject'
  if (isRotating) return 'rotate'
  return isStored ? 'replace' : 'insert'
}

function planCookie(facts: Facts, save: Plan['save']): Plan['cookie'] {
  if (facts.isEmpty) {
    if (!facts.hasCookie || facts.isOnMarker) return 'none'
    // One of two different cookies may be this visitor's own, unless they ask to be logged out.
    return facts.isContested && !facts.wasFlushed ? 'none' : 'delete'
  }
  if (save === 'reject') return 'none'
  if (save !== 'none' || facts.hasKeyToSend) return 'send'
  if (facts.status >= 500) return 'none'
  // Django sends the cookie after a change. The browser also has to learn of a life that `save()` has extended.
  return facts.isModified || (facts.isExtensionDue && facts.isWritten) ? 'send' : 'none'
}
