// The shop works without this file. With it, forms do not leave the page, other tabs update, and a countdown shows when
// the session ends.

const tabs = new BroadcastChannel('shop')
const notices = document.querySelector('#notices')
let sending = 0
let overlapped = false
/** Requests are numbered because responses may arrive in another order. */
let asked = 0
let shown = 0
/** When the session ends, by this computer's clock. How long until then is the server's figure. */
let ends
let noticeTimer
/** The product that the last form was about, and the button that sent it. A message must not cover them. */
let changed
let pressed

document.documentElement.classList.add('scripted')
// A reload must not show the message again.
if (location.search) history.replaceState(null, '', location.pathname)
if (document.querySelector('#page')) {
  startCountdown()
  setInterval(countDown, 1000)
  dismissLater()
  document.addEventListener('submit', event => {
    event.preventDefault()
    const form = event.target
    if (form.dataset.rush) rush(form, Number(form.dataset.rush))
    else if (form.dataset.once === undefined) submit(form)
    else submitOnce(form)
  })
  // Another tab changed something; it may have signed out.
  tabs.addEventListener('message', () => refresh())
  // The browser shows a page that it kept in memory. Its session may have ended.
  addEventListener('pageshow', event => {
    if (event.persisted) refresh()
  })
}

/** Ignores a second click while the form is being sent: two sign-ins at once would each give the session a new key. */
async function submitOnce(form) {
  const button = form.querySelector('button')
  if (button.disabled) return
  button.disabled = true
  await submit(form)
  button.disabled = false
}

/** Sends a form as the browser would, and shows the page that the response leads to. */
async function submit(form) {
  changed = form.elements.namedItem('product')?.value
  pressed = form.querySelector('button')?.id
  overlapped ||= sending > 0
  sending++
  const answer = await send(form)
  sending--
  const problem = answer?.page.querySelector('[data-problem]')?.textContent
  if (answer && !problem && !show(answer)) overlapped = true
  if (sending === 0) {
    // A page that was made meanwhile may lack this change, and an error page does not show the cart.
    const isSure = !overlapped && !problem
    overlapped = false
    if (!isSure) await refresh()
    tabs.postMessage('changed')
  }
  if (problem) notify(problem)
}

/** Sends a form many times at once and shows the result. */
async function rush(form, times) {
  const before = cartCount()
  const started = performance.now()
  const answers = await Promise.all(Array.from({ length: times }, () => send(form)))
  const took = Math.round(performance.now() - started)
  const traces = answers
    .flatMap(answer => [...(answer?.page.querySelectorAll('[data-merges]') ?? [])])
    .map(({ dataset }) => ({ id: dataset.trace, merges: Number(dataset.merges) }))
    .sort((one, other) => other.merges - one.merges)
  const merges = traces.reduce((sum, trace) => sum + trace.merges, 0)
  await refresh(`/?after=${traces[0]?.id}`)
  tabs.postMessage('changed')
  notify(
    `${times} requests in ${took} ms: ${cartCount() - before} items more in the cart. ` +
      `${merges} times another request had saved first. Both changes were kept.`,
  )
}

async function refresh(url = '/') {
  const answer = await load(url)
  if (answer?.page.querySelector('#page')) show(answer)
}

function send(form) {
  return load(form.action, { method: 'POST', body: new URLSearchParams(new FormData(form)) })
}

/** Returns the page at a URL and the number of the request, or `undefined` if the server does not respond. */
async function load(url, options) {
  const number = ++asked
  try {
    const response = await fetch(url, options)
    return { number, page: new DOMParser().parseFromString(await response.text(), 'text/html') }
  } catch {
    notify('The shop cannot be reached. Please try again.')
  }
}

/** Shows that page and keeps the focus. Returns false if the page shown already was requested later. */
function show({ number, page }) {
  if (number < shown) return false
  shown = number
  const focused = document.activeElement?.id
  become(document.querySelector('#page'), page.querySelector('#page'))
  if (focused && !document.getElementById(focused))
    document.querySelector('#cart').focus({ preventScroll: true })
  const notice = page.querySelector('.notice')?.textContent
  if (notice) notify(notice)
  startCountdown()
  return true
}

/**
 * Changes a node into another with as few replacements as possible. If a button is replaced while it is pressed, its
 * click is lost; if a field is replaced, so is the name typed into it.
 */
function become(node, wanted) {
  if (node.isEqualNode(wanted)) return
  if (node.nodeType !== Node.ELEMENT_NODE || keyOf(node) !== keyOf(wanted)) {
    node.replaceWith(wanted)
    return
  }
  for (const { name } of [...node.attributes]) if (!wanted.hasAttribute(name)) node.removeAttribute(name)
  for (const { name, value } of wanted.attributes) node.setAttribute(name, value)
  const children = [...node.childNodes]
  const wantedChildren = [...wanted.childNodes]
  wantedChildren.forEach((child, index) => {
    if (index < children.length) become(children[index], child)
    else node.append(child)
  })
  for (const child of children.slice(wantedChildren.length)) child.remove()
}

function keyOf(node) {
  return [node.nodeName, node.id, node.dataset?.product, node.className].join(' ')
}

function notify(text) {
  const notice = document.createElement('p')
  notice.className = 'notice'
  notice.textContent = text
  notices.replaceChildren(notice)
  moveAside()
  dismissLater()
}

/** Moves the message to the upper edge if it would cover what has just changed. */
function moveAside() {
  notices.classList.remove('above')
  const lower = notices.getBoundingClientRect().top
  const watched = [
    document.querySelector(`.line[data-product="${changed}"]`),
    document.getElementById(pressed),
  ]
  const covered = watched.some(node => {
    const box = node?.getBoundingClientRect()
    return box && box.bottom > lower && box.top < innerHeight
  })
  notices.classList.toggle('above', covered)
}

function dismissLater() {
  clearTimeout(noticeTimer)
  noticeTimer = setTimeout(() => notices.replaceChildren(), 8000)
}

function cartCount() {
  return Number(document.querySelector('[data-count]').dataset.count)
}

function startCountdown() {
  const seconds = document.querySelector('#countdown')?.dataset.seconds
  ends = seconds && Date.now() + Number(seconds) * 1000
  countDown()
}

function countDown() {
  const countdown = document.querySelector('#countdown')
  if (!countdown || !ends) return
  const left = Math.round((ends - Date.now()) / 1000)
  if (left > 0) {
    countdown.textContent = inWords(left)
    return
  }
  ends = undefined
  notify('Your session has ended.')
  refresh()
}

/** `29 d 23:59:59`, `1:00:00`, `59:59`. */
function inWords(seconds) {
  const days = Math.floor(seconds / 86_400)
  const hours = Math.floor(seconds / 3600) % 24
  const pad = number => String(number).padStart(2, '0')
  const minutes = `${pad(Math.floor(seconds / 60) % 60)}:${pad(seconds % 60)}`
  if (days > 0) return `${days} d ${pad(hours)}:${minutes}`
  return hours > 0 ? `${hours}:${minutes}` : minutes
}
