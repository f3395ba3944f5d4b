import { Agent, request } from 'node:http'

/** What the visitors of one contestant have seen. */
export interface Tally {
  requests: number
  /** Statuses that a visitor may not see, and connections that broke. */
  errors: string[]
  /** Reads that did not show what had been saved before. */
  wrong: string[]
  /** Saves that were rejected because a login or logout overlapped, as documented. */
  interrupted: number
  /**
   * Responses with the old key that the server sent before those with a new one, and that arrived after them: two
   * connections have no common order. A browser would be logged out.
   */
  overtaken: number
}

/** A browser that does a bit of everything, at random, and knows what its session has to hold. */
export class Visitor {
  readonly #url: string
  readonly #tally: Tally
  readonly #random: () => number
  readonly #agent = new Agent({ keepAlive: true })
  #cookie: string | undefined
  /** The place of the response that brought the cookie, in the order in which the server sent its responses. */
  #cookieSent = 0
  readonly #replaced = new Set<string>()
  #count = 0

  constructor(url: string, tally: Tally, random: () => number) {
    this.#url = url
    this.#tally = tally
    this.#random = random
  }

  async visit(): Promise<void> {
    const step = this.#steps[Math.floor(this.#random() * this.#steps.length)]!
    await step()
  }

  leave(): void {
    this.#agent.destroy()
  }

  // A read is the usual request, so it is there several times.
  readonly #steps: (() => Promise<unknown>)[] = [
    () => this.#read(),
    () => this.#read(),
    () => this.#read(),
    () => this.#add('/add'),
    () => this.#add('/add'),
    () => Promise.all([this.#add('/slow-add'), this.#add('/add'), this.#read(false)]),
    () => Promise.all([this.#add('/slow-add'), this.#signIn()]),
    () => this.#signIn(),
    () => this.#signOut(),
    () => this.#send('GET', '/untouched'),
    () => this.#send('GET', '/read', null),
    () =>
      this.#send(
        'GET',
        '/read',
        `sessionid=${Math.floor(this.#random() * 1e15)
          .toString(36)
          .padStart(32, '0')}`,
      ),
    () => this.#abort(),
  ]

  async #read(isAlone = true): Promise<void> {
    const { status, body } = await this.#send('GET', '/read')
    if (status !== 200 || !isAlone || this.#cookie === undefined) return
    const { count } = JSON.parse(body) as { count: number }
    if (count !== this.#count) this.#tally.wrong.push(`${count} instead of ${this.#count}`)
  }

  async #add(path: string): Promise<void> {
    // Two first requests at once would be two sessions.
    if (this.#cookie === undefined && path === '/slow-add') return
    const { status } = await this.#send('POST', path)
    if (status === 200) this.#count++
  }

  async #signIn(): Promise<void> {
    await this.#send('POST', `/login?user=${Math.floor(this.#random() * 100)}`)
  }

  async #signOut(): Promise<void> {
    const { status } = await this.#send('POST', '/logout')
    if (status === 200) this.#count = 0
  }

  /** Goes away in the middle of a response. */
  #abort(): Promise<void> {
    this.#tally.requests++
    return new Promise(resolve => {
      const headers = this.#cookie === undefined ? {} : { cookie: this.#cookie }
      const sent = request(`${this.#url}/stream`, { headers }, response => {
        response.once('data', () => sent.destroy())
        response.on('error', () => undefined)
      })
      sent.on('error', () => undefined)
      sent.on('close', () => resolve())
      sent.end()
    })
  }

  /** Sends the visitor's cookie, or another, or none (`null`). Keeps the new cookie only if the visitor's own was sent. */
  #send(method: string, path: string, other?: string | null): Promise<{ status: number; body: string }> {
    const { errors } = this.#tally
    const cookie = other === undefined ? this.#cookie : other
    const headers = cookie == null ? {} : { cookie }
    this.#tally.requests++
    return new Promise(resolve => {
      const sent = request(this.#url + path, { method, agent: this.#agent, headers }, response => {
        let body = ''
        response.setEncoding('utf8').on('data', chunk => {
          body += chunk
        })
        response.on('end', () => {
          const status = response.statusCode!
          if (status === 400) this.#tally.interrupted++
          else if (status !== 200) errors.push(`${method} ${path}: ${status} ${body.slice(0, 200)}`)
          const lines = response.headers['set-cookie'] ?? []
          if (other === undefined)
            for (const line of lines) this.#keep(line, Number(response.headers['x-sent']))
          else if (other === null && lines.length > 0) errors.push(`${path}: a cookie for nobody's look`)
          resolve({ status, body })
        })
      })
      sent.on('error', error => {
        errors.push(`${method} ${path}: ${error.message}`)
        resolve({ status: 0, body: '' })
      })
      sent.end()
    })
  }

  /** Keeps cookies in the order in which they were sent, which a browser cannot know. */
  #keep(line: string, sent: number): void {
    const isDeletion = /Max-Age=0/.test(line)
    const cookie = isDeletion ? undefined : line.split(';')[0]
    if (sent < this.#cookieSent) {
      if (cookie !== this.#cookie) this.#tally.overtaken++
      return
    }
    if (cookie && this.#replaced.has(cookie)) this.#tally.wrong.push('the old key was sent after the new one')
    if (this.#cookie && cookie !== this.#cookie) this.#replaced.add(this.#cookie)
    this.#cookie = cookie
    this.#cookieSent = sent
    if (isDeletion) this.#count = 0
  }
}
