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
    /^adapter\/odd-/,
    'Take nothing of a request for granted: `new URL()` and `decodeURIComponent()` throw, Host may be missing, a path may be a whole ' +
      'address or `*`. What the adapter throws goes where the framework handles errors, and so does what the probe app throws.',
  ],
  [
    /^adapter\/(?:https-prefix|options|cookie-attributes|flush$|expiry)/,
    'Append each line of `setCookies` as it is: do not parse it, do not serialise it anew, and give it no attributes of your own.',
  ],
  [
    /^adapter\/(?:proxy-host|forwarded-host)$/,
    'Pass `target: () => ({ host, path, forwardedProto })` to `begin`, with `host` from the framework’s property that follows its ' +
      'setting for proxies (`req.hostname`, `ctx.hostname`, `request.host`), not from the `Host` header or `X-Forwarded-Host`.',
  ],
  [
    /^adapter\/(?:proxy-)?devices$/,
    'Pass `device: () => ({ userAgent, ip })` to `begin`, with `ip` from the framework’s property that follows its setting for ' +
      'proxies (`req.ip`, `ctx.ip`, `request.ip`).',
  ],
  [
    /^adapter\/(?:https-|proxy-|forwarded$)/,
    'Pass `secure: () => …` to `begin` (or `secure` to `commit`), read from the framework’s property that knows its own setting for ' +
      'proxies (`req.secure`, `ctx.secure`, `request.protocol`, the protocol of `request.url`). Without such a property take ' +
      '`socket.encrypted`. Never read `X-Forwarded-Proto` yourself, and keep nothing of it by socket.',
  ],
  [
    /^adapter\/(?:forgotten-proxy|tells-where|background|under-.*)$/,
    'Pass `target: () => ({ host, path, forwardedProto })` to `begin`. The path is the whole one, as `req.originalUrl` of Express.',
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
    /^adapter\/hook-handler-wins$/,
    'Read the headers of middleware above without making a response of them. In Hono `c.res` makes one, whose headers then replace ' +
      'those of the handler; `c.body(null).headers` does not.',
  ],
  [
    /^adapter\/store-throws-at-once$/,
    '`commit` may throw instead of returning a promise: call it inside the `try`, or in the first argument of `settle` of ' +
      '`@sess/core/adapter`. Then it is a failed commit like any other.',
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
    /^adapter\/(?:own-|hook-(?:headers|public|clear-site-data)|several-cookies|one-cookie|clear-site-data|read-only|cookie-is-private|body-is-session|untouched)/,
    'Add what `commit` returns by `applyTo`, once. Without it append each cookie, merge `varyBy` into `Vary` if `vary` is true, and ' +
      'set each of `headers` to what `fieldValue` returns.',
  ],
  [
    /^adapter\/(?:foreign-response|constant-response|not-modified)$/,
    'Copy the response before it gets a cookie: `new Response(response.body, response)`.',
  ],
  [
    /^adapter\/(?:devices|proxy)-at-once$/,
    'Make the functions that you pass to `begin` (`secure`, `target`, `device`, `header`) for each request, of its own request object.',
  ],
  [
    /^adapter\/begin-fails$/,
    'Call `begin` or `open` inside the `try`, or where the framework catches what a middleware throws.',
  ],
  [/^adapter\/slow-load$/, 'Wait for `ready` of what `begin` returned, without a time limit of your own.'],
  [
    /^adapter\/(?:header-carrier|empty-header-carrier|two-carriers|cookie-by-request|request-of-framework)$/,
    'Pass `request`, as handlers get it, and `header: name => …` to `begin` or `open`, which returns `undefined` or `null` for a header that is absent: ' +
      'the empty text is a header without a key. Send every field of `headers`, and merge `varyBy` into `Vary`.',
  ],
  [
    /^adapter\/thrown-headers$/,
    'Add the cookie where the headers of an error survive, such as when the head is sent, and not to `error.headers`.',
  ],
  [
    /^adapter\/failing-body$/,
    'Listen to `error` of a stream before you wait for `commit`: the framework listens when it sends the stream.',
  ],
  [
    /^adapter\/clears-other-places$/,
    'Append every line of `setCookies`, in this order, and drop none: of two cookies of one name one sets the session, and the others ' +
      'delete those of other places. Pass the whole `Cookie` header to `begin`, as it came.',
  ],
  [
    /^adapter\/(?:logout-then-error|saved-then-error)$/,
    'Call `commit` for every response, also one of 500 or more and one to an error, and add what it returns: a logout is carried out ' +
      'then, and the key that `save()` has stored is sent. If the error handler drops the headers, add them to its response.',
  ],
  [
    /^adapter\/bytes$/,
    'Give the body itself to the copy: `new Response(response.body, response)`. What `await response.text()` returns has lost each ' +
      'byte that is not UTF-8.',
  ],
  [
    /^adapter\/slow-save$/,
    'Wait for `commit` without a deadline of your own: the option `timeout` of the engine is one, and its error is a failed save.',
  ],
  [
    /^adapter\/with-body-slow-store$/,
    'Leave the request’s body alone: no `req.resume()`, no `request.text()`, no listener for `data`. A stream that nobody reads waits.',
  ],
  [
    /^adapter\/offers-h2c$/,
    'Do not look at the `Upgrade` header: `canHold(res, req)` of `@sess/node` says whether the response is a stand-in.',
  ],
  [
    /^adapter\/request-headers$/,
    'Run for every request. Do not look at the headers that say what it is for, or who sent it.',
  ],
  [
    /^adapter\/(?:duplicate-cookies|key-from|unknown-key|clears-other|cookie-grammar)/,
    'Pass the whole `Cookie` header to `begin`, as it came, and no key from anywhere else.',
  ],
  [
    /^adapter\/(?:status|thrown|end-then-throw|redirect)/,
    'Commit with the status that is sent, for every status, also when the handler threw: the framework’s rule for the status of an ' +
      'error is in its source. Then add all that the commit returned (cookies, `Vary`, `Cache-Control`, `headers`), whatever the status.',
  ],
  [
    /^adapter\/with-body$/,
    'Open the session from the headers, and leave the body to the app. The probe app has to accept a body of any type: Fastify needs ' +
      "`app.addContentTypeParser('*', …)` in it.",
  ],
  [
    /^adapter\/(?:method|path|head$|with-body|not-found)/,
    'Run for every request. Do not look at its method, its path or its body.',
  ],
  [
    /^adapter\/upgrade-unsaved$/,
    'An upgrade cannot wait for a commit: open and load only, and look at `pending(session)` of `@sess/core/adapter` when the ' +
      'connection closes. `watchStandIn` of `@sess/node` does so for a stand-in of a response, `watchWebSocket` for a real one.',
  ],
  [
    /^adapter\/left-body-closed$/,
    'Give the body itself to the copy: `new Response(response.body, response)`. Of `response.clone()` nobody reads the other half, ' +
      'and the source stays open. A body that the app writes itself ends with its connection.',
  ],
  [
    /^adapter\/pipelined$/,
    'Node gives a response its socket when those before it are sent, so do not take one without `res.socket` for a stand-in: ask ' +
      '`canHold(res, req)` of `@sess/node`.',
  ],
  [
    /^adapter\/(?:saved-before|removed-before|stream|late-change|client-leaves|left-after|upgrade)/,
    'Hold the response until `commit` has saved, streams as well: `holdResponse` of `@sess/node` does so. A change after that has to ' +
      'throw, and one whose client has left is still saved.',
  ],
  [
    /^adapter\/(?:same-connection|many-visitors|visitors-at-once|same-request-id)$/,
    'Keep the session at the request object, and nothing of it in a variable of the module, by the request’s id, at the connection or ' +
      'at a response.',
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
