/** What JavaScript adds to the pages: new events as they happen, times that stay right, and a button to copy an id. */
export const script = `'use strict'
const $ = (selector, root = document) => root.querySelector(selector)
const $$ = selector => document.querySelectorAll(selector)

const UNITS = [[86400000, 'day'], [3600000, 'hour'], [60000, 'minute'], [1000, 'second']]
function relative(ms) {
  const distance = Math.abs(ms - Date.now())
  if (distance < 1000) return 'now'
  const [unit, name] = UNITS.find(([unit]) => distance >= unit)
  const count = Math.floor(distance / unit)
  const text = count.toLocaleString('en-US') + ' ' + name + (count === 1 ? '' : 's')
  return ms < Date.now() ? text + ' ago' : 'in ' + text
}
setInterval(() => {
  for (const time of $$('time')) time.textContent = relative(Date.parse(time.dateTime))
}, 15000)

for (const button of $$('[data-copy]')) {
  if (!navigator.clipboard) break
  button.hidden = false
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(button.dataset.copy)
    button.textContent = 'Copied'
    setTimeout(() => { button.textContent = 'Copy' }, 2000)
  })
}

document.addEventListener('keydown', event => {
  const field = $('#q')
  if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || !field) return
  if (/^(input|textarea|select)$/i.test(event.target.tagName)) return
  event.preventDefault()
  field.focus()
  field.select()
})

for (const details of $$('details.confirm')) {
  const close = () => {
    details.open = false
    $('summary', details).focus()
  }
  details.addEventListener('keydown', event => {
    if (event.key === 'Escape') close()
  })
  $('[data-cancel]', details).addEventListener('click', event => {
    event.preventDefault()
    close()
  })
}

const list = $('[data-events]')
if (list) {
  const state = $('[data-state]')
  const pause = $('[data-pause]')
  const KEPT = 200
  let waiting = []
  let paused = false

  const cell = (tag, role, content) => {
    const element = document.createElement(tag)
    element.setAttribute('role', role)
    if (tag === 'th') element.scope = 'row'
    if (content) element.append(content)
    return element
  }
  const row = ({ at, kind, tone, id, detail }) => {
    const time = document.createElement('time')
    time.dateTime = new Date(at).toISOString()
    time.title = time.dateTime.replace('T', ' ')
    time.textContent = relative(at)
    const tag = document.createElement('span')
    tag.className = 'tag ' + tone
    tag.textContent = kind
    const link = document.createElement('a')
    if (id) {
      link.className = 'id'
      link.href = list.dataset.sessions + id
      link.textContent = id.slice(0, 12)
    }
    const text = document.createElement('bdi')
    text.textContent = detail
    const line = cell('tr', 'row')
    line.className = 'new'
    line.append(cell('td', 'cell', time), cell('th', 'rowheader', tag), cell('td', 'cell', id && link), cell('td', 'cell', text))
    return line
  }
  const show = () => {
    if (paused || waiting.length === 0) return
    $('[data-empty]').hidden = true
    list.prepend(...waiting.reverse().map(row))
    waiting = []
    while (list.children.length > KEPT) list.lastElementChild.remove()
  }
  setInterval(show, 250)

  const source = new EventSource(list.dataset.events)
  source.onopen = () => { state.textContent = 'Listening' }
  source.onerror = () => { state.textContent = 'Connecting again…' }
  source.onmessage = ({ data }) => {
    waiting.push(JSON.parse(data))
    waiting = waiting.slice(-KEPT)
  }
  pause.hidden = false
  pause.addEventListener('click', () => {
    paused = !paused
    pause.textContent = paused ? 'Go on' : 'Pause'
    state.textContent = paused ? 'Paused' : 'Listening'
  })
}
`
