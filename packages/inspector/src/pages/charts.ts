import { number } from '@sess/core/inspect'
import type { Hour } from '../activity.ts'
import { type Html, html } from '../html.ts'

const WIDTH = 720
const HEIGHT = 120

/** Columns for each hour: sessions that were created, and that ended. The figures stand in a table below. */
export function hoursChart(hours: readonly Hour[]): Html {
  const most = Math.max(1, ...hours.flatMap(({ created, ended }) => [created, ended]))
  const slot = WIDTH / 24
  const gap = WIDTH - slot * hours.length
  const columns = hours.flatMap((hour, at) => {
    const x = gap + at * slot
    return [column('created', hour.created, x + slot * 0.16), column('ended', hour.ended, x + slot * 0.52)]
  })
  const created = hours.reduce((sum, hour) => sum + hour.created, 0)
  const ended = hours.reduce((sum, hour) => sum + hour.ended, 0)
  const name = (at: number) => (at === 0 ? 'this hour' : at === 1 ? '1 hour ago' : `${at} hours ago`)
  const rows = hours
    .map((hour, at) => ({ ...hour, ago: hours.length - 1 - at }))
    .reverse()
    .map(
      ({ created, ended, ago }) =>
        html`<tr><th scope="row">${name(ago)}</th><td>${number(created)}</td><td>${number(ended)}</td></tr>`,
    )
  return html`<div class="hours">
<ul class="legend"><li class="created">Created <b>${number(created)}</b></li><li class="ended">Ended <b>${number(ended)}</b></li></ul>
<div class="plot"><span class="most" aria-hidden="true">${number(most)}</span>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="Sessions by hour: ${number(created)} created and ${number(ended)} ended. The table below has the figures."><path class="grid" d="M0 .5H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}M0 ${HEIGHT - 0.5}H${WIDTH}"/>${columns}</svg></div>
<p class="axis" aria-hidden="true"><span>24 hours ago</span><span>12</span><span>now</span></p>
<details class="figures"><summary>Figures</summary><table class="plain"><thead><tr><th scope="col">Hour</th><th scope="col">Created</th><th scope="col">Ended</th></tr></thead><tbody>${rows}</tbody></table></details>
</div>`

  function column(kind: string, count: number, x: number): Html | undefined {
    if (count === 0) return undefined
    const height = Math.max(2, (count / most) * (HEIGHT - 4))
    return html`<rect class="${kind}" x="${x.toFixed(1)}" y="${(HEIGHT - height).toFixed(1)}" width="${(slot * 0.32).toFixed(1)}" height="${height.toFixed(1)}"/>`
  }
}

/** A table whose rows have bars: how many sessions are of each class. */
export function barsTable(heading: string, rows: readonly (readonly [name: string, count: number])[]): Html {
  const total = rows.reduce((sum, [, count]) => sum + count, 0)
  const most = Math.max(1, ...rows.map(([, count]) => count))
  return html`<table class="bars"><thead><tr><th scope="col">${heading}</th><th scope="col">Share</th><th scope="col">Sessions</th></tr></thead><tbody>${rows.map(
    ([name, count]) =>
      html`<tr><th scope="row">${name}</th><td class="bar"><svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="100" height="8"/><rect class="fill" width="${((count / most) * 100).toFixed(1)}" height="8"/></svg><span class="visually-hidden">${total === 0 ? 0 : Math.round((count / total) * 100)} %</span></td><td>${number(count)}</td></tr>`,
  )}</tbody></table>`
}
