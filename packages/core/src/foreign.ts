// Options of express-session, cookie-session and koa-session, and what takes their place here.

const LIFE =
  "is another library's. How long a session lives is `age` in seconds (`setExpiry` for one session)."
const NOT_NEEDED = "is another library's and not needed here. Leave it out."

/** What to say to options that other session libraries have. */
export const FOREIGN_OPTIONS: Record<string, string> = {
  resave: 'is an option of express-session. Only what was changed is saved. Leave it out.',
  saveUninitialized:
    'is an option of express-session. A session is stored once something is set. Leave it out.',
  rolling:
    'is an option of express-session. Set `saveEveryRequest: true` to extend the session with every request.',
  renew:
    'is an option of koa-session. Set `saveEveryRequest: true` to extend the session with every request.',
  genid:
    'is an option of express-session. Keys are random and have one form. Leave it out, or give `random`.',
  unset: 'is an option of express-session. Leave it out, and call session.flush() to log out.',
  proxy: "is an option of express-session. Leave it out and set the framework's trust proxy.",
  name: "belongs to the cookie: cookie: { name: 'sid' }.",
  key: "belongs to the cookie: cookie: { name: 'sid' }.",
  keys: "is another library's. Set `secret` for cookie sessions; others need none.",
  signed: NOT_NEEDED,
  autoCommit: NOT_NEEDED,
  maxAge: LIFE,
  ttl: LIFE,
  property: "goes into the second argument: session({ store }, { property: 'admin' }).",
}

/** The same for the option `cookie`. */
export const FOREIGN_COOKIE_OPTIONS: Record<string, string> = {
  maxAge: LIFE,
  expires: LIFE,
  signed: NOT_NEEDED,
  overwrite: NOT_NEEDED,
  encode: NOT_NEEDED,
}
