import { type Remedy, remedyFrom } from '../remedy.ts'

/**
 * What to change in an adapter that fails a case, by the case's id. The first pattern that matches counts, so the special ones
 * come first.
 */
export const ADAPTER_REMEDIES: readonly Remedy[] = [
  [
    /^adapter\/(?:raw-|early-hints$|constant-cookies$)/,
    'Hold the response of `node:http` by `holdResponse` of `@sess/node`. Without it: take the status from the argument of `writeHead`, its ' +
      'headers in every form, keep all arguments of held calls, give `Set-Cookie` a new list, and commit neither at a 1xx ' +
      'nor when the handler returns.',
  ],
  [
    /^adapter\/(?:https-prefix|options|cookie-attributes|flush$|expiry)/,
    'Append each line of `setCookies` as it is: do not parse it, do not serialise it anew, and give it no attributes of your own.',
  ],
  [
    /^adapter\/(?:https-|proxy-|forwarded$)/,
    'Pass `secure: () => …` to `begin` (or `secure` to `commit`), read from the framework’s property that knows its own setting for ' +
      'proxies (`req.secure`, `ctx.secure`, `request.protocol`, the protocol of `request.url`). Without such a property take ' +
      '`socket.encrypted`. Never read `X-Forwarded-Proto` yourself, and keep nothing of it by socket.',
  ],
  [
    /^adapter\/(?:forgotten-proxy|tells-where)$/,
    'Pass `target: () => ({ host, path, forwardedProto })` to `begin` or `commit`.',
  ],
  [
    /^adapter\/hook-(?:responds|throws)-above$/,
    'Code that runs when the response is sent (a hook, a patched method) finds no session here. Look whether the request has one of ' +
      'yours before you use it.',
  ],
  [
    /^adapter\/hook-(?:responds|throws|rejects)-below$/,
    'Commit where every response comes by, such as around `next()` with `try`, or when the head is written, and not in a wrapper of ' +
      'the handler alone.',
  ],
  [
    /^adapter\/hook-(?:throws-after|headers-after)$/,
    'Put what the session adds where the framework keeps headers for any response, and leave the response one that can be changed. ' +
      'If the framework drops it with the failed response, add it to the one of the error: `addCommitted` of `@sess/fetch`.',
  ],
  [
    /^adapter\/(?:save-fails|logout-fails|too-big|store-hangs|load-fails|hook-load-fails|hook-failed-save|many-failures|failed-body|two-engines-save|one-engine-twice-save)/,
    'Let the error of `commit` reach the error handling once, and wait for it before anything is sent. Note the headers when the ' +
      'session is opened, and set them back: what came later belongs to the success. Close the body that is not sent.',
  ],
  [
    /^adapter\/(?:one-engine-twice|two-engines)/,
    'Use `SessionSlot`: its `begin` returns nothing where this engine has opened the request’s session, and then only go on. Give each ' +
      'engine a property of its own, and append the cookies of both.',
  ],
  [
    /^adapter\/(?:own-|hook-(?:headers|public)|several-cookies|one-cookie|clear-site-data|read-only|cookie-is-private|body-is-session|untouched)/,
    'Add what `commit` returns by `applyTo`, once. Without it append each cookie, merge `varyBy` into `Vary` if `vary` is true, and ' +
      'set each of `headers` to what `fieldValue` returns.',
  ],
  [
    /^adapter\/(?:foreign-response|constant-response|not-modified)$/,
    'Copy the response before it gets a cookie: `new Response(response.body, response)`.',
  ],
  [
    /^adapter\/(?:header-carrier|two-carriers|cookie-by-request)$/,
    'Pass `request` and `header: name => …` to `begin` or `open`, and send every field of `headers`.',
  ],
  [
    /^adapter\/(?:duplicate-cookies|key-from|unknown-key|clears-other|cookie-grammar)/,
    'Pass the whole `Cookie` header to `begin`, as it came, and no key from anywhere else.',
  ],
  [
    /^adapter\/(?:status|thrown|end-then-throw|redirect)/,
    'Commit with the status that is sent, for every status, also when the handler threw: the framework’s rule for the status of an ' +
      'error is in its source.',
  ],
  [
    /^adapter\/(?:method|path|head$|with-body)/,
    'Run for every request. Do not look at its method, its path or its body.',
  ],
  [
    /^adapter\/(?:saved-before|removed-before|stream|late-change|client-leaves|left-after|upgrade)/,
    'Hold the response until `commit` has saved, streams as well: `holdResponse` of `@sess/node` does so. A change after that has to ' +
      'throw, and one whose client has left is still saved.',
  ],
  [
    /^adapter\/(?:same-connection|many-visitors|visitors-at-once)$/,
    'Keep the session at the request, and nothing of it in a variable of the module, at the connection or at a response.',
  ],
  [
    /^adapter\//,
    'Open the session from the cookie header, load it before the handler, hand over the session itself, commit once when the handler ' +
      'is done, and append the cookies. Nothing else of the session is the adapter’s.',
  ],
]

/** What to change in an adapter that fails this case. */
export function remedyOf(id: string): string {
  return remedyFrom(ADAPTER_REMEDIES, id)
}
