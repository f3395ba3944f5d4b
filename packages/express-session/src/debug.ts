import createDebug from 'debug'

/** What DEBUG=express-session shows. */
export const debug = createDebug('express-session')
