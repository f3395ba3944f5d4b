import { moment, relative } from '@sess/core/inspect'
import { type Html, html } from '../html.ts'

/** A moment as people say it, with the exact one in its title. */
export function time(ms: number | undefined, now: number): Html {
  if (ms === undefined || Math.abs(ms) > 8.64e15) return html`<span class="muted">unknown</span>`
  const iso = new Date(ms).toISOString()
  return html`<time datetime="${iso}" title="${moment(ms)}">${relative(ms, now)}</time>`
}

/** The same, with the exact moment beside it. */
export function exactTime(ms: number | undefined, now: number): Html {
  const exact = moment(ms)
  return html`${time(ms, now)}${exact !== '-' && html` <span class="muted">${exact}</span>`}`
}
