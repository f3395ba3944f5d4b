import type { RequestTarget } from './cookie-scopes.ts'
import { report, type WarningEvent } from './hooks.ts'
import type { Settings } from './options.ts'

const EVENT: WarningEvent = {
  reason: 'trust-proxy',
  message:
    'A request over http says `X-Forwarded-Proto: https`, so the session cookie was set without `Secure`. If a proxy of yours ends TLS, let the framework trust it: `app.set("trust proxy", …)` in Express, `app.proxy = true` in Koa, `trustProxy` in srvx. Or set `cookie.secure: true`. See docs/running.md.',
}

/**
 * Calls the hook `warning`, once for an engine, if a cookie is set without `Secure` although the browser uses https. Call it
 * when a cookie is set: then only those requests are asked for their headers.
 */
export function warnOfForgottenProxy(
  settings: Settings,
  secure: boolean | undefined,
  target: (() => RequestTarget) | undefined,
): void {
  if (secure !== false || settings.cookie.secure !== 'auto') return
  const { engine } = settings
  if (engine.hasWarned || !engine.hooks.warning) return
  // In a list, the first entry is what the proxy next to the browser says.
  if (!/^\s*https\b/i.test(String(target?.().forwardedProto))) return
  engine.warned()
  report(settings, 'warning', undefined, EVENT)
}
