import depd from 'depd'

/** Warns as express-session does, once for each call site, and not with NO_DEPRECATION=express-session. */
export const deprecate = depd('express-session')
