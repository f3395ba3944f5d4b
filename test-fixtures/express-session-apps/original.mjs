// `node --import ./original.mjs app.mjs` runs an app with express-session itself, because the name `express-session` is an
// alias of @sess/express-session here, for the app and for all packages that it uses.
import { registerHooks } from 'node:module'

registerHooks({
  resolve(specifier, context, next) {
    if (specifier !== 'express-session') return next(specifier, context)
    return next('express-session-original', { ...context, parentURL: import.meta.url })
  },
})
