import { type Html, html } from '../html.ts'
import { page, type Site } from './layout.ts'

/** An error, for the visitor of the pages. */
export function problemPage(site: Site, { title, advice }: { title: string; advice: string }): Html {
  return page(site, {
    title,
    body: html`<h1>${title}</h1>${advice && html`<p>${advice}</p>`}
<p><a class="button" href="${site.basePath}/">To the overview</a> <a class="button" href="${site.basePath}/list">To the list of sessions</a></p>`,
  })
}

/** What somebody gets who may not come in. It shows nothing of the site. */
export function forbiddenPage(): Html {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Not allowed</title></head>
<body><main><h1>Not allowed</h1><p>You may not see this page. Log in as somebody who may.</p></main></body></html>
`
}
