// `load-process.ts FILE`: makes the load that the file describes. It never sleeps: a loader that waits for responses has
// to be woken for each of them, and the kernel bills that to the server. (Behind wrk or autocannon a handler that burns 5 µs
// costs the server 7 to 10, and every handler slower than the loader some 4 µs too many; here it costs 6.)
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setPriority } from 'node:os'

export interface Load {
  url: string
  path: string
  /** `Cookie` headers, which take turns; none: requests without one. */
  cookies: string[]
  seconds: number
  connections: number
}

/** No response may take longer, in seconds. */
const PATIENCE = 30
const HEAD_END = Buffer.from('\r\n\r\n')
const LAST_CHUNK = Buffer.from('0\r\n\r\n')

const { url, path, cookies, seconds, connections }: Load = JSON.parse(readFileSync(process.argv[2]!, 'utf8'))
const { hostname, port } = new URL(url)
const head = `GET ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n`
const requests = (cookies.length > 0 ? cookies.map(cookie => `Cookie: ${cookie}\r\n`) : ['']).map(header =>
  Buffer.from(`${head}${header}\r\n`),
)
let next = 0
let over = false
let waiting = 0

function keepAwake(): void {
  if (!over || waiting > 0) setImmediate(keepAwake)
  else for (const { socket } of sockets) socket.destroy()
}

function fail(problem: string): never {
  console.error(`${path}: ${problem}`)
  process.exit(1)
}

class Connection {
  readonly socket: Socket
  /** The part of a response that came without its end. */
  #begun: Buffer | undefined

  constructor() {
    const buffer = Buffer.allocUnsafe(65_536)
    this.socket = connect({
      host: hostname,
      port: Number(port),
      noDelay: true,
      onread: {
        buffer,
        callback: size => {
          this.#hear(buffer.subarray(0, size))
          return true
        },
      },
    })
    this.socket.once('connect', () => this.#ask())
    this.socket.once('error', error => fail(error.message))
    this.socket.once('end', () => fail('the server closed a connection.'))
  }

  #ask(): void {
    waiting++
    next = (next + 1) % requests.length
    this.socket.write(requests[next]!)
  }

  #hear(data: Buffer): void {
    const answer = this.#begun ? Buffer.concat([this.#begun, data]) : data
    if (!isWhole(answer)) {
      this.#begun = Buffer.from(answer)
      return
    }
    this.#begun = undefined
    waiting--
    // `HTTP/1.1 2`
    if (answer[9] !== 0x32) fail(`answered ${answer.toString('latin1', 9, 12)}.`)
    if (!over) this.#ask()
  }
}

function isWhole(answer: Buffer): boolean {
  const end = answer.indexOf(HEAD_END)
  if (end === -1) return false
  const length = /\r\ncontent-length: *(\d+)/i.exec(answer.toString('latin1', 0, end))
  return length
    ? answer.length >= end + HEAD_END.length + Number(length[1])
    : answer.subarray(-LAST_CHUNK.length).equals(LAST_CHUNK)
}

// Redis shares this core with us, and must not wait for its turn.
setPriority(10)
const sockets = Array.from({ length: connections }, () => new Connection())
keepAwake()
setTimeout(() => {
  over = true
  if (waiting > 0) setTimeout(() => fail(`${waiting} answers did not come.`), PATIENCE * 1000).unref()
}, seconds * 1000)
