import { bytes, type SessionView } from '@sess/core/inspect'
import type { Place } from '../catalogue.ts'
import { type Html, html, type Piece } from '../html.ts'
import type { Search } from '../search.ts'
import { dataTree } from './data-tree.ts'
import { confirmation, page, type Site } from './layout.ts'
import { href } from './list.ts'
import { exactTime } from './time.ts'

/** The list that the visitor came from. */
interface From {
  search: Search
  place: Place
}

const ALL: From = { search: { text: '', by: 'any' }, place: {} }

export interface OneSession {
  handle: string
  from: From
  view: SessionView
  /** The data as they may be shown. */
  shown: unknown
}

export function sessionPage(site: Site, { handle, from, view, shown }: OneSession): Html {
  const { now } = site
  const subject = view.subject
  const whose =
    subject === undefined
      ? html`<span class="muted">none: nobody has logged in</span>`
      : html`<a href="${href(site, { text: subject, by: 'subject' })}"><bdi>${subject}</bdi></a>`
  const facts: [string, Piece][] = [
    ['Subject', whose],
    ['Created', exactTime(view.createdAt, now)],
    [
      'Logged in',
      view.authenticatedAt === undefined
        ? html`<span class="muted">never</span>`
        : exactTime(view.authenticatedAt, now),
    ],
    ['Last seen', exactTime(view.lastSeenAt, now)],
    ['Ends', exactTime(view.expiresAt, now)],
    ['Size', bytes(view.bytes)],
    ...(view.device === undefined ? [] : [['Device', deviceOf(view.device)] as [string, Piece]]),
  ]
  return page(site, {
    title: `Session ${handle.slice(0, 12)}`,
    tab: 'list',
    body: html`${backTo(site, from)}
<div class="summary"><h1>Session <code class="id">${handle.slice(0, 12)}</code></h1>
${confirmation(site, {
  action: `/session/${handle}/end`,
  ask: 'End session…',
  question: html`This ends the session${subject !== undefined && html` of <bdi>${subject}</bdi>`}: the browser is logged out at its next request. A request that is running cannot bring it back.`,
  button: 'End this session',
})}</div>
<section class="card"><h2>About</h2>
<dl class="facts">${facts.map(([name, value]) => html`<div${name === 'Device' && html` class="wide"`}><dt>${name}</dt><dd>${value}</dd></div>`)}<div class="wide"><dt>Id</dt><dd><code class="id">${handle}</code> <button type="button" class="quiet" hidden data-copy="${handle}">Copy</button></dd></div></dl></section>
<section class="card"><h2>Data</h2>
${
  view.problem !== undefined
    ? html`<p class="warning">The data cannot be decoded: ${view.problem} The session can be ended all the same.</p>`
    : html`<p class="about">Values that look secret are masked.</p>${dataTree(shown)}`
}</section>`,
  })
}

/** For the old id of a session that has got a new key, and with it a new id. */
export function movedPage(site: Site, handle: string, successor: string, from: From = ALL): Html {
  return page(site, {
    title: `Session ${handle.slice(0, 12)}`,
    tab: 'list',
    body: html`${backTo(site, from)}
<h1>Session <code class="id">${handle.slice(0, 12)}</code> has a new id</h1>
<p>It got a new key, as at a login. It goes on as <a class="id" href="${site.basePath}/session/${successor}">${successor.slice(0, 12)}</a>. Nothing was ended.</p>`,
  })
}

function backTo(site: Site, { search, place }: From): Html {
  const { text } = search
  const name =
    text === ''
      ? 'All sessions'
      : html`Search: <bdi>${text.length > 60 ? `${text.slice(0, 60)}…` : text}</bdi>`
  return html`<p class="crumbs"><a href="${href(site, search, place)}">${name}</a></p>`
}

function deviceOf({ label, userAgent, ip }: NonNullable<SessionView['device']>): Html {
  const known = [label, userAgent, ip].filter(text => text !== undefined && text !== '')
  return html`${known.map((text, at) => html`${at > 0 && html`<br>`}<bdi>${text}</bdi>`)}`
}
