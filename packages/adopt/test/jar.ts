import { type HttpResponse, request } from '@sess/test-fixtures/http.ts'

/** The cookies of one browser. It sends them to every app, as a browser does after a deployment. */
export class Jar {
  readonly cookies: Map<string, string>

  constructor(cookies: Iterable<[string, string]> = []) {
    this.cookies = new Map(cookies)
  }

  get header(): string {
    return [...this.cookies].map(pair => pair.join('=')).join('; ')
  }

  copy(): Jar {
    return new Jar(this.cookies)
  }

  /** One request with the cookies as they are now, and keeps those that the response sets. */
  async get(url: string): Promise<HttpResponse> {
    const response = await request(url, { cookie: this.header })
    this.keep(response.setCookies)
    return response
  }

  /** `Set-Cookie` lines of a response. */
  keep(lines: readonly string[]): void {
    for (const line of lines) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      const isGone = value === '' || /max-age=0|expires=thu, 01 jan 1970/i.test(line)
      if (isGone) this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
  }
}
