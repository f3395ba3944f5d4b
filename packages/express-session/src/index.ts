import { Cookie } from './cookie.ts'
import { MemoryStore } from './memory-store.ts'
import { session as middleware } from './middleware.ts'
import { Session } from './session.ts'
import { Store } from './store.ts'

/**
 * The middleware of express-session, with its classes.
 *
 * @example
 * app.use(session({ secret, store: sqliteStore('sessions.db'), resave: false, saveUninitialized: false }))
 */
const session = Object.assign(middleware, { Session, Store, Cookie, MemoryStore })

export { Cookie, MemoryStore, Session, Store }
export default session
// What `require()` returns.
export { session as 'module.exports' }
