import type { Activity } from '../activity.ts'
import { type Html, html } from '../html.ts'
import { page, type Site } from './layout.ts'
import { time } from './time.ts'

export function livePage(site: Site, recent: readonly Activity[], since: number): Html {
  const last = recent[0]?.number ?? 0
  return page(site, {
    title: 'Live',
    tab: 'live',
    body: html`<h1>Live</h1>
<p class="about">What happens to sessions in this process, since it began ${time(since, site.now)}. The last 200 events are kept. Reading a session is no event.</p>
<p class="stream"><a class="button" href="${site.basePath}/live">Refresh</a> <button type="button" hidden data-pause>Pause</button> <span role="status" data-state></span></p>
<table class="sessions events" role="table"><thead role="rowgroup"><tr role="row"><th role="columnheader" scope="col">When</th><th role="columnheader" scope="col">What</th><th role="columnheader" scope="col">Session</th><th role="columnheader" scope="col">Detail</th></tr></thead>
<tbody role="rowgroup" data-events="${site.basePath}/events?after=${last}" data-sessions="${site.basePath}/session/">${recent.map(activity => eventRow(site, activity))}</tbody></table>
<p class="empty" data-empty${recent.length > 0 && html` hidden`}>Nothing has happened yet.</p>`,
  })
}

function eventRow(site: Site, { at, kind, tone, id, detail }: Activity): Html {
  return html`<tr role="row"><td role="cell">${time(at, site.now)}</td><th role="rowheader" scope="row"><span class="tag ${tone}">${kind}</span></th><td role="cell">${id !== undefined && html`<a class="id" href="${site.basePath}/session/${id}">${id.slice(0, 12)}</a>`}</td><td role="cell"><bdi>${detail}</bdi></td></tr>`
}
