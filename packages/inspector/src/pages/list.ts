import { bytes, counted, number } from '@sess/core/inspect'
import type { Page, Place, Row } from '../catalogue.ts'
import { type Html, html, type Piece } from '../html.ts'
import type { Search } from '../search.ts'
import { confirmation, page, type Site, searchForm } from './layout.ts'
import { time } from './time.ts'

export interface Listing {
  search: Search
  place: Place
  found: Page
  /** What was done just before. */
  done: Piece
}

export function listPage(site: Site, { search, place, found, done }: Listing): Html {
  const { rows, next, indexed } = found
  const isOfSubject =
    search.text !== '' &&
    (indexed ||
      search.by === 'subject' ||
      (rows.length > 0 && rows.every(row => row.subject === search.text)))
  const heading = isOfSubject
    ? html`Sessions of <bdi>${search.text}</bdi>`
    : search.text === ''
      ? 'All sessions'
      : html`Sessions with <bdi>${search.text}</bdi>`
  return page(site, {
    title: search.text === '' ? 'All sessions' : `Sessions: ${search.text}`,
    tab: 'list',
    body: html`<h1>${heading}</h1>
${done && html`<p class="done" role="status">${done}</p>`}
${searchForm(site, search)}
<div class="summary"><p>${summary(found, place)}</p>
${isOfSubject && rows.length > 0 && endAll(site, search.text, found.total)}</div>
${rows.length > 0 && sessionsTable(site, rows, queryOf(search, place))}
${rows.length === 0 && html`<p class="empty">${emptiness(search, next !== undefined)}</p>`}
${isOfSubject && search.by === 'any' && html`<p><a href="${href(site, { ...search, by: 'value' })}">Look for “<bdi>${search.text}</bdi>” in the data of all sessions, too</a></p>`}
${pager(site, search, place, next)}`,
  })
}

function summary({ rows, examined, order, total, indexed }: Page, { skip = 0, after = 0 }: Place): Piece {
  if (order === 'newest') {
    const place =
      total! > rows.length && rows.length > 0
        ? `${number(skip + 1)} to ${number(skip + rows.length)} of `
        : ''
    const how = indexed ? '' : examined === total ? '' : ` Looked at ${counted(examined, 'session')}.`
    return `${place}${counted(total!, 'live session')}${total! > 1 ? ', the newest first' : ''}.${how}`
  }
  return html`${counted(rows.length, 'live session')}, in the order of the store: there are too many to sort. Looked at the sessions ${number(after + 1)} to ${number(after + examined)} of this store, which can only be read one after another. If sessions begin or end meanwhile, one may be missing or be there twice.`
}

function emptiness({ text, by }: Search, isMore: boolean): Piece {
  if (isMore) return 'None of these. There are more sessions: go on looking below.'
  if (text === '') return 'There is no live session.'
  if (by === 'subject')
    return 'This subject has no live session: it has logged out everywhere, its sessions have expired, or there is no such subject.'
  return 'No live session has that. It may have ended or expired, or there was none. Values that are masked are not searched.'
}

function endAll(site: Site, subject: string, total: number | undefined): Html {
  const all =
    total === undefined
      ? 'all sessions'
      : total === 1
        ? 'the one session'
        : `all ${counted(total, 'session')}`
  return confirmation(site, {
    action: '/end-subject',
    ask: 'End all…',
    question: html`This ends ${all} of <bdi>${subject}</bdi>, on every device. They are logged out at their next request.`,
    button: 'End all sessions',
    fields: { subject },
  })
}

/** @param query leads back from the page of a session */
function sessionsTable(site: Site, rows: readonly Row[], query: string): Html {
  const { now, basePath } = site
  const names = ['Session', 'Subject', 'Created', 'Last seen', 'Ends', 'Size']
  const cell = (at: number, content: Piece) =>
    html`<td role="cell"><span class="name" aria-hidden="true">${names[at]}</span> ${content}</td>`
  return html`<table class="sessions" role="table"><thead role="rowgroup"><tr role="row">${names.map(name => html`<th role="columnheader" scope="col">${name}</th>`)}</tr></thead><tbody role="rowgroup">${rows.map(
    row =>
      html`<tr role="row"><th role="rowheader" scope="row"><a class="id" href="${basePath}/session/${row.handle}${query}" aria-label="Session ${row.handle.slice(0, 12)}">${row.handle.slice(0, 12)}</a>${row.problem !== undefined && html` <span class="tag alarm">unreadable</span>`}</th>${cell(1, subjectOf(row, site))}${cell(2, time(row.createdAt, now))}${cell(3, time(row.lastSeenAt, now))}${cell(4, time(row.expiresAt, now))}${cell(5, bytes(row.bytes))}</tr>`,
  )}</tbody></table>`
}

function subjectOf({ subject }: Row, site: Site): Html {
  if (subject === undefined) return html`<span class="muted">none</span>`
  const short = subject.length > 60 ? `${subject.slice(0, 60)}…` : subject
  return html`<a href="${href(site, { text: subject, by: 'subject' })}"><bdi>${short}</bdi></a>`
}

function pager(site: Site, search: Search, place: Place, next: Place | undefined): Piece {
  const isFirst = place.after === undefined && !place.skip
  if (isFirst && next === undefined) return undefined
  return html`<nav class="pager" aria-label="More sessions">${!isFirst && html`<a href="${href(site, search)}">To the first page</a>`}${next && html`<a class="next" rel="next" href="${href(site, search, next)}">${next.after === undefined ? 'Next page' : 'Go on'}</a>`}</nav>`
}

/** The address of a list, as text. */
export function href({ basePath }: Site, search: Search, place: Place = {}): string {
  return `${basePath}/list${queryOf(search, place)}`
}

function queryOf({ text, by }: Search, place: Place): string {
  const query = new URLSearchParams()
  if (text !== '') query.set('q', text)
  if (by !== 'any') query.set('by', by)
  for (const [name, value] of Object.entries(place)) query.set(name, String(value))
  const asked = query.toString()
  return asked && `?${asked}`
}
