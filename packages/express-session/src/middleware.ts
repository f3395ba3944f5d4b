import type { ServerResponse } from 'node:http'
import { ConfigError, createSessions, type MaybePromise, type Store as SessStore } from '@sess/core'
import { canHold, holdResponse, watchStandIn } from '@sess/node'
import parseUrl from 'parseurl'
import { beginLater } from './begin-later.ts'
import type { Callback } from './callback.ts'
import { debug } from './debug.ts'
import { EngineRecord, expressCodec } from './engine-record.ts'
import { EngineStore } from './engine-store.ts'
import { ForeignRecord } from './foreign-record.ts'
import { MemoryStore } from './memory-store.ts'
import { readOptions, type SessionOptions, type Settings } from './options.ts'
import type { Records } from './record-view.ts'
import { type SessionRequest, setOwner } from './request.ts'
import { generate, RequestSession } from './request-session.ts'
import { readSessionId } from './session-cookie.ts'
import type { Store } from './store.ts'

/** Middleware for Express, connect and `node:http`. */
export type SessionMiddleware = (req: any, res: any, next: Callback) => void

/**
 * Makes the middleware that gives every request its `req.session`. It takes express-session's options. `store` may also
 * be a store of Sess.
 *
 * @throws TypeError for what express-session rejects
 * @example
 * app.use(session({ secret, store: sqliteStore('sessions.db'), resave: false, saveUninitialized: false }))
 */
export function session(options?: SessionOptions): SessionMiddleware {
  const settings = readOptions(options ?? {})
  const { store, records } = storeOf(options?.store, settings)
  const ownGenerate = (req: SessionRequest): void => generate(req, settings)
  store.generate = ownGenerate
  let isReady = true
  store.on('disconnect', () => {
    isReady = false
  })
  store.on('connect', () => {
    isReady = true
  })

  return function session(req: SessionRequest, res: ServerResponse, next: Callback) {
    if (req.session) return next()
    // The application decides what to do without a session.
    if (!isReady) {
      debug('store is disconnected')
      return next()
    }
    const path = parseUrl.original(req)?.pathname || '/'
    if (!path.startsWith(settings.cookieOf(req).path || '/')) {
      debug('pathname mismatch')
      return next()
    }
    const secrets = settings.secrets.length > 0 ? settings.secrets : req.secret ? [req.secret] : []
    if (secrets.length === 0) return next(new Error('secret option required for sessions'))

    req.sessionStore = store
    const cookieId = readSessionId(req, settings.name, secrets)
    const canBeginLater = settings.canBeginLater && store.generate === ownGenerate
    const canReadLater = canBeginLater && !settings.resave && !settings.rolling
    const owner = new RequestSession(req, settings, records, secrets, cookieId, canReadLater)
    setOwner(req, owner)
    if (canHold(res, req)) holdUntilSaved(res, owner, next)
    else watchStandIn(req, res, { commit: () => owner.commit(), pending: () => undefined })

    if (!cookieId && canBeginLater) {
      beginLater(req)
      return next()
    }
    let loading: MaybePromise<void>
    try {
      loading = owner.load()
    } catch (error) {
      return next(error)
    }
    if (!loading) return next()
    loading.then(() => next(), next)
  }
}

function storeOf(given: SessionOptions['store'], settings: Settings): { store: Store; records: Records } {
  if (given && 'read' in given && 'insert' in given) {
    const { name, maxAge } = settings
    const sessions = createSessions<any>({
      store: given,
      // Core makes the ID in the store of the name and the key, and its names are stricter.
      cookie: { name: /^[\w!#$%&'*+.^`|~-]+$/.test(name) && !/\.\d+$/.test(name) ? name : 'connect.sid' },
      codec: expressCodec,
      // Not with every request, because that would be a write for each read. At most a thirtieth of the life is lost.
      saveEveryRequest: { touchAfter: Math.min(60, (maxAge ?? Infinity) / 30_000) },
      trackMutations: false,
    })
    return {
      store: new EngineStore(sessions, given as SessStore),
      records: (id, known) => new EngineRecord(sessions, id, known),
    }
  }
  if (given && 'unseal' in given)
    throw new ConfigError('store', 'keeps sessions in cookies, without IDs. Take a store on the server.')
  const store = (given ?? new MemoryStore()) as Store
  if (store instanceof MemoryStore && process.env['NODE_ENV'] === 'production') {
    process.emitWarning(
      'MemoryStore is not for production: it leaks memory, and other processes do not see its sessions.',
    )
  }
  return { store, records: (id, known) => new ForeignRecord(store, id, known) }
}

/** Saves the session before the first byte of the response, and what has changed since then before its end. */
function holdUntilSaved(res: ServerResponse, owner: RequestSession, next: Callback): void {
  holdResponse(res, () => owner.commit(), next)
  const { end } = res
  let isEnded = false
  res.end = function (this: unknown, ...args: any[]): any {
    if (isEnded) return false
    isEnded = true
    const send = (): ServerResponse => end.apply(res, args as Parameters<typeof end>)
    if (!owner.isCommitted) {
      owner.isEnding = true
      return send()
    }
    let finishing: MaybePromise<void>
    try {
      finishing = owner.finish()
    } catch (error) {
      finishing = Promise.reject(error)
    }
    if (!finishing) return send()
    finishing.then(send, error => {
      next(error)
      // A part of the response is sent, so its client has to see that it is incomplete.
      if (res.headersSent && !res.writableEnded) res.destroy()
    })
    return res
  } as typeof end
}
