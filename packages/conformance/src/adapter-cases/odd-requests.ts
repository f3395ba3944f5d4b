import { DoesNotApply } from '../case.ts'
import { equal, ok } from '../check.ts'
import { exchange, HttpBrowser, send } from './client.ts'
import type { AdapterCase } from './fixture.ts'

interface Odd {
  id: string
  what: string
  /** The lines of the request, without `Connection`. */
  lines: (host: string) => string[]
}

const SET = '/set?k=odd&v=1'
const NOTHING = 'Content-Length: 0'

/** What comes from scanners, old clients and proxies. RFC 9112 allows the first four of them. */
const ODD: readonly Odd[] = [
  {
    id: 'absolute',
    what: 'whose address is written whole (`POST http://…`)',
    lines: host => [`POST http://${host}${SET} HTTP/1.1`, `Host: ${host}`, NOTHING],
  },
  {
    id: 'asterisk',
    what: 'about the server itself (`OPTIONS *`)',
    lines: host => ['OPTIONS * HTTP/1.1', `Host: ${host}`],
  },
  { id: 'no-host', what: 'of HTTP/1.0, without Host', lines: () => [`POST ${SET} HTTP/1.0`, NOTHING] },
  {
    id: 'unusual-method',
    what: 'of a method that is not in every list',
    lines: host => [`PROPFIND ${SET} HTTP/1.1`, `Host: ${host}`, NOTHING],
  },
  {
    id: 'two-slashes',
    what: 'whose path is two slashes',
    lines: host => ['GET //?k=odd HTTP/1.1', `Host: ${host}`],
  },
  {
    id: 'not-encoded',
    what: 'whose path cannot be decoded',
    lines: host => ['GET /%E0%A4%A?k=%E0%A4%A HTTP/1.1', `Host: ${host}`],
  },
  {
    id: 'empty-host',
    what: 'with an empty Host',
    lines: () => [`POST ${SET} HTTP/1.1`, 'Host:', NOTHING],
  },
  {
    id: 'wrong-host',
    what: 'with a Host that is none',
    lines: () => [`POST ${SET} HTTP/1.1`, 'Host: [::1', NOTHING],
  },
  {
    id: 'wrong-proxy-headers',
    what: 'with headers of a proxy that mean nothing',
    lines: host => [
      `POST ${SET} HTTP/1.1`,
      `Host: ${host}`,
      'X-Forwarded-Host: [::1',
      'X-Forwarded-Proto: ,',
      'X-Forwarded-For: unknown',
      'Forwarded: ;=,',
      NOTHING,
    ],
  },
  {
    id: 'wrong-cookies',
    what: 'with cookies that cannot be decoded',
    lines: host => [
      `POST ${SET} HTTP/1.1`,
      `Host: ${host}`,
      'Cookie: a=%E0%A4%A; =; sessionid; "; sessionid=%',
      NOTHING,
    ],
  },
]

/** Requests that are no usual ones. A framework may reject them. */
export const oddRequestCases: readonly AdapterCase[] = ODD.map(({ id, what, lines }) => ({
  id: `adapter/odd-${id}`,
  title: `a request ${what} gets a response, and disturbs nobody`,
  rule: 'Whatever a request says, it gets a response: 400 or 404 if need be. A session that is changed is saved with its cookie.',
  source: 'docs/conformance-space.md#an-adapter; RFC 9112 section 3.2',
  why: 'One line of a scanner would end the process for everybody, or leave a connection open that nobody serves.',
  async run(f) {
    let opened = 0
    const byRequest = () => {
      opened += 1
      return {}
    }
    const url = f.inProcess ? (await f.start({ cookie: { byRequest } })).url : await f.url()
    const received = await exchange(
      url,
      [...lines(new URL(url).host), 'Connection: close', '', ''].join('\r\n'),
    )
    if (received === '' && opened > 0)
      throw new DoesNotApply(`the probe app itself does not respond to a request ${what}`)
    ok(
      /^HTTP\/1\.[01] \d{3} /.test(received),
      `a response to a request ${what}`,
      received === '' ? 'nothing came within two seconds' : JSON.stringify(received.slice(0, 60)),
    )
    if (/^HTTP\/1\.[01] 200 /.test(received) && received.includes('"sessionKey"')) {
      const cookies = [...received.matchAll(/^set-cookie: ([^;\r]+)/gim)].map(([, pair]) => pair)
      ok(cookies.length > 0, `a session cookie in the 200 to a request ${what}`, 'there was none')
      const found = await send(`${url}/get?k=odd`, { cookie: cookies.join('; ') })
      equal(found.json['value'], 1, 'what that session has')
    }
    const browser = new HttpBrowser(url)
    await browser.post('/set?k=a&v=2')
    equal(await browser.value('a'), 2, 'what the next visitor reads')
  },
}))
