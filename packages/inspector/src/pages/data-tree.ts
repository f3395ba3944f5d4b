import { MASK, number } from '@sess/core/inspect'
import { type Html, html } from '../html.ts'

/** Values that one page shows, and characters of one text and one name. */
const MAX_VALUES = 1_000
const MAX_TEXT = 2_000
const MAX_NAME = 200
/** Levels that are open at first. */
const OPEN = 3

/** Data, made ready for JSON, as a tree of lists that open and close. */
export function dataTree(data: unknown): Html {
  let left = MAX_VALUES
  return html`<div class="tree">${branch(data, 0)}</div>`

  function branch(value: unknown, level: number): Html {
    const isList = Array.isArray(value)
    const entries = isList ? [...value.entries()] : Object.entries(value as object)
    if (entries.length === 0) return html`<p class="muted">Nothing.</p>`
    const items: Html[] = []
    for (const [name, item] of entries) {
      if (left-- <= 0) {
        const rest = entries.length - items.length
        items.push(html`<li class="muted">${number(rest)} more, which are not shown.</li>`)
        break
      }
      items.push(html`<li>${entry(String(name), isList, item, level)}</li>`)
    }
    return html`<ul>${items}</ul>`
  }

  function entry(name: string, isIndex: boolean, value: unknown, level: number): Html {
    const label = html`<span class="${isIndex ? 'index' : 'key'}"><bdi>${cut(name, MAX_NAME)}</bdi></span>`
    if (typeof value !== 'object' || value === null) return html`${label} ${leaf(value)}`
    const size = Array.isArray(value) ? value.length : Object.keys(value).length
    if (size === 0)
      return html`${label} <span class="muted">${Array.isArray(value) ? 'empty list' : 'no keys'}</span>`
    const what = `${number(size)} ${Array.isArray(value) ? 'item' : 'key'}${size === 1 ? '' : 's'}`
    return html`<details${level < OPEN && html` open`}><summary>${label} <span class="muted">${what}</span></summary>${branch(value, level + 1)}</details>`
  }
}

function leaf(value: unknown): Html {
  if (value === MASK) return html`<span class="masked"><span aria-hidden="true">${MASK}</span> masked</span>`
  if (typeof value === 'string') return html`<bdi class="string">${quoted(value)}</bdi>`
  return html`<span class="${value === null ? 'null' : typeof value}">${String(value)}</span>`
}

/** As JSON writes it, so that a line break and a quotation mark are seen for what they are. */
function quoted(text: string): string {
  if (text.length <= MAX_TEXT) return JSON.stringify(text)
  return `${JSON.stringify(text.slice(0, MAX_TEXT))}… and ${number(text.length - MAX_TEXT)} characters more`
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length)}…`
}
