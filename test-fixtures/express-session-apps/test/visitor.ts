import { setTimeout as wait } from 'node:timers/promises'

export interface Page {
  /** The last one of a chain of redirects. */
  url: string
  status: number
  headers: Headers
  text: string
  json(): any
  /** The lines of `Set-Cookie` of the last response. */
  setCookies: string[]
}

export interface Visit {
  method?: string
  /** A form, which makes it a POST. */
  form?: Record<string, string>
  headers?: Record<string, string>
  follow?: boolean
}

/** A browser without pages: it keeps cookies and follows redirects. Like a browser it sends cookies to all ports. */
export class Visitor {
  readonly cookies = new Map<string, string>()

  async go(url: string, { method, form, headers = {}, follow = true }: Visit = {}): Promise<Page> {
    const body = form && new URLSearchParams(form)
    let response = await this.#send(url, {
      method: method ?? (form ? 'POST' : 'GET'),
      headers,
      ...(body && { body }),
    })
    for (let hops = 0; follow && response.headers.has('location'); hops++) {
      if (hops === 20) throw new Error(`Too many redirects at ${response.url}`)
      await response.arrayBuffer()
      response = await this.#send(new URL(response.headers.get('location')!, response.url).href, {})
    }
    const text = await response.text()
    return {
      url: response.url,
      status: response.status,
      headers: response.headers,
      text,
      json: () => JSON.parse(text),
      setCookies: response.headers.getSetCookie(),
    }
  }

  /** Fills in the first form of a page, and sends it. */
  submit(page: Page, fields: Record<string, string> = {}, visit: Visit = {}): Promise<Page> {
    const [, tag = '', inner = ''] = /<form([^>]*)>(.*?)<\/form>/s.exec(page.text) ?? []
    if (!tag && !inner) throw new Error(`No form at ${page.url}: ${page.text}`)
    const action = /action="([^"]*)"/.exec(tag)?.[1] ?? page.url
    const form: Record<string, string> = {}
    for (const [input] of inner.matchAll(/<input[^>]*>/g)) {
      const name = /name="([^"]*)"/.exec(input)?.[1]
      if (name) form[name] = /value="([^"]*)"/.exec(input)?.[1] ?? ''
    }
    return this.go(new URL(action, page.url).href, { ...visit, form: { ...form, ...fields } })
  }

  async #send(url: string, init: RequestInit): Promise<Response> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = { ...(init.headers as Record<string, string>), ...(cookie && { cookie }) }
    const response = await fetch(url, { ...init, headers, redirect: 'manual' })
    for (const line of response.headers.getSetCookie()) this.#keep(line)
    return response
  }

  #keep(line: string): void {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line)!
    const expires = /;\s*expires=([^;]+)/i.exec(line)?.[1]
    if (value === '' || (expires && Date.parse(expires) <= Date.now())) this.cookies.delete(name)
    else this.cookies.set(name, value)
  }
}

/** Waits until `check` holds, for what happens behind a request. */
export async function eventually(check: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error(`It did not happen within 10 seconds: ${check}`)
    await wait(10)
  }
}
