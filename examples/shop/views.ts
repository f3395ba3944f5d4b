import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Device, ListedSession } from '@sess/core'
import { type Html, html } from './html.ts'
import { findProduct, type Product, products } from './products.ts'
import type { Cart } from './shop.ts'
import type { Trace } from './trace.ts'

export interface Asset {
  headers: Record<string, string>
  body: string
}

const FOREVER = 'public, max-age=31536000, immutable'

/** The files of the page, by path. They need no session. */
export const assets: Readonly<Record<string, Asset>> = {
  '/styles.css': asset('styles.css', 'text/css; charset=utf-8'),
  '/client.js': asset('client.js', 'text/javascript; charset=utf-8'),
  '/icon.svg': asset('icon.svg', 'image/svg+xml'),
}

function asset(file: string, type: string): Asset {
  const headers = { 'content-type': type, 'cache-control': FOREVER, 'x-content-type-options': 'nosniff' }
  return { headers, body: readFileSync(new URL(`assets/${file}`, import.meta.url), 'utf8') }
}

/** A path that changes with the file, so that browsers may keep it. */
function versioned(path: string): string {
  const hash = createHash('sha256').update(assets[path]!.body).digest('base64url').slice(0, 12)
  return `${path}?v=${hash}`
}

/** Messages for when the session has ended, because a flash message needs a session. */
export const NOTICES: Readonly<Record<string, string | undefined>> = {
  'signed-out': 'You are signed out. The cart went with your session.',
  'signed-out-everywhere': 'You are signed out here and in every other browser.',
  'account-deleted': 'Your account is deleted, and you are signed out everywhere.',
  'key-reused':
    'A thief used the key that you had before. It opened nothing. The hook `reused` was called, and your session ended, in case the thief has the new key, too. Please sign in again.',
  'key-worked': 'The old key still opens the session. That should not happen.',
}

export interface ShopView {
  name: string | undefined
  cart: Cart
  devices: ListedSession[]
  /** With the API of express-session Passport asks for the password, and nobody knows the other devices. */
  usesPassport: boolean
  /** An account is to be deleted, and the sign-in is not fresh. */
  mustConfirm: boolean
  remembered: boolean
  notice: string | undefined
  runsOn: string
  /** The trace of the request that redirected here. */
  before: Trace | undefined
}

export interface ShopPage {
  head: string
  /** The rest. It shows what the engine did for the first piece. */
  tail(trace: Trace, hasSession: boolean): string
}

export function shopPage(view: ShopView): ShopPage {
  const lines = Object.entries(view.cart).flatMap(([id, count]) => {
    const product = findProduct(id)
    return product ? [{ product, count }] : []
  })
  const count = lines.reduce((sum, line) => sum + line.count, 0)
  const head = html`${documentHead('Slow Morning')}
  <body>
    <a class="skip" href="#products">Skip to the products</a>
    <div id="notices" role="status">${view.notice && html`<p class="notice">${view.notice}</p>`}</div>
    <div id="page" class="page">
      <div class="shop">
        ${masthead(view.name, count)}
        <main class="floor">
          <section class="products" aria-labelledby="products">
            <h2 id="products" tabindex="-1">For the breakfast table</h2>
            <ul class="shelf">${products.map(productCard)}</ul>
          </section>
          <div class="counter">
            ${account(view)}
            ${cartCard(lines, count)}
          </div>
        </main>
        <footer class="foot">An example: nothing is for sale, and any name signs in. <a href="/sessions">See the sessions of this shop</a>, as its staff would; everybody may, in the example alone.</footer>
      </div>
`
  const tail = (trace: Trace, hasSession: boolean): string =>
    html`${engine(view, trace, hasSession)}
    </div>
  </body>
</html>
`.toString()
  return { head: head.toString(), tail }
}

const PROBLEMS: Readonly<Record<number, [title: string, text: string]>> = {
  400: [
    'Your session has changed',
    'It ended, or got a new key, in another window. Your last change was not saved. Please try again.',
  ],
  403: ['Form from another site', 'That form came from another site, so nothing was changed.'],
  404: ['Page not found', 'There is no such page in this shop.'],
  413: ['Form too long', 'That form is longer than this shop accepts.'],
  422: ['Please check the form', 'A name has 1 to 40 characters. The cart takes only products of this shop.'],
  503: [
    'Please try again',
    'Your session cannot be reached right now. It is not lost. Please try again in a moment.',
  ],
}

export function problemPage(status: number): string {
  const [title, text] = PROBLEMS[status] ?? [
    'Something went wrong',
    'The error is ours. Nothing was changed.',
  ]
  return html`${documentHead(`${title} · Slow Morning`)}
  <body>
    <main class="problem">
      ${logo()}
      <h1>${title}</h1>
      <p data-problem>${text}</p>
      <p><a class="button primary" href="/">Back to the shop</a></p>
      <p class="quiet">Status ${status}</p>
    </main>
  </body>
</html>
`.toString()
}

function documentHead(title: string): Html {
  return html`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>${title}</title>
    <link rel="icon" href="${versioned('/icon.svg')}">
    <link rel="stylesheet" href="${versioned('/styles.css')}">
    <script type="module" src="${versioned('/client.js')}"></script>
  </head>`
}

function logo(): Html {
  return html`<svg class="logo" viewBox="0 0 48 48" aria-hidden="true" focusable="false">
    <circle cx="24" cy="24" r="24" class="logo-sky" />
    <path d="M12 31a12 12 0 0 1 24 0z" class="logo-sun" />
    <path d="M24 8v6M10 14l4 5M38 14l-4 5M6 31h36" class="logo-rays" />
  </svg>`
}

function masthead(name: string | undefined, count: number): Html {
  return html`<header class="masthead">
    <div class="brand">
      ${logo()}
      <div>
        <h1>Slow Morning</h1>
        <p>Good things for the first hour of the day</p>
      </div>
    </div>
    <nav class="jumps" aria-label="On this page">
      <a href="#account">${name === undefined ? 'Sign in' : 'Account'}</a>
      <a href="#cart">Cart <span class="count">${count}<span class="unseen"> items</span></span></a>
    </nav>
  </header>`
}

function productCard({ id, name, note, price, picture }: Product): Html {
  return html`<li class="product">
    ${picture}
    <div class="label">
      <h3>${name}</h3>
      <p>${note}</p>
    </div>
    <div class="buy">
      <span class="price">${money(price)}</span>
      <form method="post" action="/cart/add">
        <input type="hidden" name="product" value="${id}">
        <button class="button primary" id="add-${id}">Add<span class="unseen"> ${name} to the cart</span></button>
      </form>
    </div>
  </li>`
}

function account({ name, remembered, devices, mustConfirm, usesPassport }: ShopView): Html {
  if (name === undefined) {
    return html`<section class="card" aria-labelledby="account">
      <h2 id="account" tabindex="-1">Sign in</h2>
      <form class="sign-in" method="post" action="/sign-in" data-once>
        <label for="name">Your name</label>
        <input id="name" name="name" required maxlength="40" autocomplete="username" placeholder="Any name will do">
        ${usesPassport && passwordField()}
        <label class="check"><input type="checkbox" name="remember" id="remember"> Remember me for 30 days</label>
        <button class="button primary" id="sign-in">Sign in</button>
      </form>
    </section>`
  }
  return html`<section class="card" aria-labelledby="account">
    <h2 id="account" tabindex="-1">Good morning, <span class="name">${name}</span></h2>
    <p class="quiet">${remembered ? 'Remembered in this browser for 30 days.' : 'Signed in until you close the browser.'}</p>
    <div class="actions">
      <form method="post" action="/sign-out" data-once><button class="button" id="sign-out">Sign out</button></form>
      ${!usesPassport && signOutEverywhere()}
    </div>
    ${!usesPassport && deviceList(devices)}
    ${!usesPassport && (mustConfirm ? confirmPassword() : deleteAccount())}
  </section>`
}

function passwordField(): Html {
  return html`<label for="password">Password</label>
        <input id="password" name="password" type="password" required autocomplete="current-password" placeholder="It is “breakfast”">`
}

function signOutEverywhere(): Html {
  return html`<form method="post" action="/sign-out-everywhere" data-once>
        <button class="button" id="sign-out-everywhere">Sign out everywhere</button>
      </form>`
}

function deviceList(devices: ListedSession[]): Html {
  return html`<h3 id="devices">Your devices</h3>
    <ul class="devices" aria-labelledby="devices">${devices.map(deviceLine)}</ul>`
}

function deviceLine({ id, current, device, lastSeenAt }: ListedSession): Html {
  const name = deviceName(device)
  return html`<li class="device">
    <div class="what">
      <span>${name}${current && html` <span class="this-one">this one</span>`}</span>
      <span class="quiet">${device?.ip ?? 'unknown address'}, ${ago(lastSeenAt)}</span>
    </div>
    ${
      !current &&
      html`<form method="post" action="/devices/end" data-once>
        <input type="hidden" name="id" value="${id}">
        <button class="button plain" id="end-${id.slice(0, 8)}">End<span class="unseen"> ${name}</span></button>
      </form>`
    }
  </li>`
}

const BROWSERS = ['Firefox', 'Edg', 'OPR', 'Chrome', 'Safari', 'curl'] as const
const SYSTEMS = ['Android', 'iPhone', 'iPad', 'Windows', 'Mac OS X', 'Linux'] as const

/** A user agent in two words. It may say anything, so it is only shown. */
function deviceName({ userAgent = '' }: Device = {}): string {
  const browser = BROWSERS.find(name => userAgent.includes(name))
  const system = SYSTEMS.find(name => userAgent.includes(name))
  return [browser ?? 'A browser', system && `on ${system}`].filter(Boolean).join(' ')
}

/** `lastSeenAt` is at most a minute too early (`touchAfter: 60`). */
function ago(moment: Date | undefined): string {
  const minutes = Math.floor((Date.now() - Number(moment ?? 0)) / 60_000)
  if (moment === undefined) return 'last seen some time ago'
  if (minutes < 2) return 'seen just now'
  return minutes < 120
    ? `last seen ${minutes} minutes ago`
    : `last seen ${Math.floor(minutes / 60)} hours ago`
}

function deleteAccount(): Html {
  return html`<form method="post" action="/delete-account" data-once>
      <button class="button plain" id="delete-account">Delete my account</button>
    </form>`
}

function confirmPassword(): Html {
  return html`<form class="sign-in" method="post" action="/confirm-password" data-once>
      <label for="password">Confirm your password to delete your account</label>
      <input id="password" name="password" type="password" required autocomplete="current-password">
      <p class="quiet">You signed in more than ten minutes ago. In this example the password is “breakfast”.</p>
      <button class="button primary" id="confirm-password">Confirm</button>
    </form>`
}

function cartCard(lines: { product: Product; count: number }[], count: number): Html {
  const total = lines.reduce((sum, { product, count }) => sum + product.price * count, 0)
  return html`<section class="card cart" aria-labelledby="cart">
    <h2 id="cart" tabindex="-1">Your cart <span class="count" data-count="${count}">${count}<span class="unseen"> items</span></span></h2>
    ${
      count === 0
        ? html`<p class="quiet">Nothing in it yet.</p>`
        : html`<ul class="lines">${lines.map(cartLine)}</ul>
          <p class="total"><span>Total</span> <span>${money(total)}</span></p>
          <form method="post" action="/cart/empty"><button class="button plain" id="empty">Empty the cart</button></form>`
    }
    <form class="rush" method="post" action="/cart/add" data-rush="20">
      <input type="hidden" name="product" value="beans">
      <button class="button plain" id="rush">Add 20 × House beans, all at once</button>
    </form>
  </section>`
}

function cartLine({
  product: { id, name, price, picture },
  count,
}: {
  product: Product
  count: number
}): Html {
  return html`<li class="line" data-product="${id}">
    ${picture}
    <div class="what">
      <span>${name}</span>
      <span class="quiet">${money(price * count)}</span>
    </div>
    <div class="stepper">
      <form method="post" action="/cart/remove">
        <input type="hidden" name="product" value="${id}">
        <button id="less-${id}" aria-label="One ${name} less">−</button>
      </form>
      <span class="number">${count}</span>
      <form method="post" action="/cart/add">
        <input type="hidden" name="product" value="${id}">
        <button id="more-${id}" aria-label="One more ${name}">+</button>
      </form>
    </div>
  </li>`
}

// -- The panel

function engine(view: ShopView, trace: Trace, hasSession: boolean): Html {
  return html`<aside class="engine" aria-labelledby="engine">
    <div class="rail">
      <h2 id="engine">Under the hood</h2>
      <p class="runs-on">${view.runsOn}</p>
      ${hasSession ? sessionFacts(view, trace) : html`<p class="none">You have no session. The shop makes one, and sends a cookie, when there is something to save.</p>`}
      ${view.name !== undefined && !view.usesPassport && theftCard()}
      ${view.before && traceCard(view.before, 'What you did')}
      ${traceCard(trace, view.before ? 'Then this page' : 'This page')}
    </div>
  </aside>`
}

function theftCard(): Html {
  return html`<form class="theft" method="post" action="/replay-stolen-key" data-once>
        <p>A thief copies the key in your cookie. You get a new key, as at each sign-in. Half a minute later the thief uses the old one.</p>
        <button class="button" id="replay-stolen-key">Replay the stolen key</button>
      </form>`
}

function sessionFacts({ remembered, name }: ShopView, { expiresAt, recordId }: Trace): Html {
  const ends = new Date(expiresAt ?? 0)
  return html`<div class="session">
    <p class="caption" id="ends-in">Your session ends in</p>
    <p><time class="countdown" id="countdown" aria-labelledby="ends-in" datetime="${ends.toISOString()}" data-seconds="${Math.round((ends.getTime() - Date.now()) / 1000)}">${moment(ends)}</time></p>
    <p class="quiet">${lifetime(name, remembered)} Its id in the store is <code>${recordId?.slice(0, 8)}…</code>, a hash of the key in your cookie.</p>
  </div>`
}

function lifetime(name: string | undefined, remembered: boolean): string {
  if (name !== undefined && remembered) return 'The end was set when you signed in.'
  return `Each visit extends it to one hour.${remembered ? '' : ' The browser deletes the cookie when you close it.'}`
}

function traceCard(trace: Trace, title: string): Html {
  const { accessed, modified, cookies, calls, merges, status } = trace
  return html`<section class="trace" data-trace="${trace.id}" data-merges="${merges}">
    <h3>${title}</h3>
    <p class="request"><code>${trace.method} ${trace.path}</code> <span class="status">${status}</span></p>
    <p>${inWords(trace)}</p>
    <dl class="flags">
      ${flag('accessed', accessed)}
      ${flag('modified', modified)}
      ${flag('cookie', cookies.length > 0)}
    </dl>
    ${
      calls.length === 0
        ? html`<p class="calls quiet">No store call.</p>`
        : html`<table class="calls">
          <caption class="unseen">Store calls</caption>
          <thead class="unseen"><tr><th scope="col">Call</th><th scope="col">Result</th><th scope="col">Time</th></tr></thead>
          <tbody>${calls.map(
            ({ method, outcome, ms }) => html`<tr class="${outcome === 'stale' && 'stale'}">
              <td><code>${method}</code></td><td>${outcome}</td><td>${ms.toFixed(2)} ms</td>
            </tr>`,
          )}</tbody>
        </table>`
    }
    ${cookies.map(cookie => html`<p class="cookie"><code>Set-Cookie: ${cookie}</code></p>`)}
  </section>`
}

function flag(name: string, value: boolean): Html {
  return html`<div class="${value && 'yes'}"><dt>${name}</dt><dd>${value ? 'yes' : 'no'}</dd></div>`
}

/** What happened, as a sentence. */
function inWords({ accessed, calls, cookies, events, merges, method, modified }: Trace): string {
  const did = (event: string): boolean => events.includes(event)
  if (merges > 0) {
    const times = merges === 1 ? 'Another request' : `Other requests, ${merges} times,`
    return `${times} saved first. This request's change was applied again to their data, so nothing is lost.`
  }
  if (did('conflict'))
    return 'Another request replaced the same value. This save came later, so its value is kept.'
  if (did('reused'))
    return 'A key was used half a minute after it was replaced. The hook `reused` was called, and the session that has the new key was removed.'
  if (did('rotated')) return 'The same data has a new key. The old key no longer works.'
  if (cookies.some(cookie => /; Max-Age=0/.test(cookie)) && !did('destroyed') && !modified) {
    return 'No session belongs to this cookie, so the response deletes it.'
  }
  if (did('destroyed') || calls.some(({ method }) => method === 'removeBySubject')) {
    return 'The record was removed from the store, and the cookie from the browser.'
  }
  if (did('created'))
    return 'There was something to save for the first time, so a session was made and its cookie sent.'
  if (did('saved')) {
    const taken = method === 'GET' ? 'The message was removed from the session. ' : ''
    return `${taken}The session was read once and written once, before the first byte was sent.`
  }
  if (did('touched'))
    return 'The session was read, and its expiry extended. That happens at most once a minute.'
  if (calls.length > 0) return 'The session was read, not changed: one read, and no cookie.'
  return accessed
    ? 'The request had no cookie, so the store was not even asked.'
    : 'The request did not use the session.'
}

const euros = new Intl.NumberFormat('en-IE', { style: 'currency', currency: 'EUR' })

function money(cents: number): string {
  return euros.format(cents / 100)
}

const moments = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' })

/** For browsers without JavaScript. The others show a countdown. */
function moment(date: Date): string {
  return `${moments.format(date)} UTC`
}
