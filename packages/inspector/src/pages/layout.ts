import { type Html, html, type Piece } from '../html.ts'

/** What every page needs to know. */
export interface Site {
  basePath: string
  label: string
  notice: string
  /** Whether the process shows what happens to sessions. */
  live: boolean
  /** The token of the visitor's forms. */
  token: string
  /** Milliseconds since the epoch. */
  now: number
}

export type Tab = 'overview' | 'list' | 'live'

export interface PageParts {
  title: string
  tab?: Tab | undefined
  body: Piece
}

/** A whole page. */
export function page(site: Site, { title, tab, body }: PageParts): Html {
  const { basePath, label, notice } = site
  const link = (to: string, name: Tab, text: string) =>
    html`<a href="${basePath}${to}"${tab === name && html` aria-current="page"`}>${text}</a>`
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${title}${label && ` · ${label}`} · Sessions</title>
<link rel="icon" href="${basePath}/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="${basePath}/style.css">
<script src="${basePath}/script.js" defer></script>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header class="bar">
  <div class="inner">
    <a class="brand" href="${basePath}/"><svg viewBox="0 0 24 24" aria-hidden="true"><rect class="back" x="2" y="2" width="14" height="14" rx="3"/><rect class="front" x="8" y="8" width="14" height="14" rx="3"/></svg><span>Sessions</span></a>
    ${label && html`<span class="label">${label}</span>`}
    <nav aria-label="Pages">${link('/', 'overview', 'Overview')}${link('/list', 'list', 'All sessions')}${site.live && link('/live', 'live', 'Live')}</nav>
  </div>
</header>
<main id="main" tabindex="-1">
${notice && html`<p class="banner">${notice}</p>`}
${body}
</main>
</body>
</html>
`
}

/** The form that finds sessions. It is posted, so that a session key does not get into the address. */
export function searchForm(site: Site, { text = '', by = 'any' }: { text?: string; by?: string } = {}): Html {
  const option = (value: string, name: string) =>
    html`<option value="${value}"${by === value && html` selected`}>${name}</option>`
  return html`<form class="search" method="post" action="${site.basePath}/find" role="search">
  ${tokenField(site)}
  <div class="field"><label for="q">Find sessions</label>
  <input id="q" name="q" type="search" value="${text}" maxlength="300" autocomplete="off" spellcheck="false" placeholder="A user id, a session id, a value…" aria-describedby="q-help"></div>
  <div class="field"><label for="by">Look in</label>
  <select id="by" name="by">${option('any', 'Everything')}${option('subject', 'Subjects (users)')}${option('id', 'Ids and keys')}${option('value', 'Data')}</select></div>
  <button class="primary">Find</button>
  <p class="help" id="q-help">For example <code>42</code>, <code>ada@example.com</code>, <code>cart.currency=EUR</code>, the start of an id, or the value of a session cookie.</p>
</form>`
}

export function tokenField({ token }: Site): Html {
  return html`<input type="hidden" name="token" value="${token}">`
}

/** A button that asks first, without JavaScript: the question opens, and the button is in it. Cancel loads the page again. */
export function confirmation(
  site: Site,
  {
    action,
    ask,
    question,
    button,
    fields = {},
  }: {
    action: string
    ask: string
    question: Piece
    button: string
    fields?: Record<string, string>
  },
): Html {
  const hidden = Object.entries(fields).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`,
  )
  return html`<details class="confirm"><summary>${ask}</summary>
<form method="post" action="${site.basePath}${action}">
${tokenField(site)}${hidden}
<p>${question}</p>
<button class="danger">${button}</button> <a class="button" href="" data-cancel>Cancel</a>
</form></details>`
}
