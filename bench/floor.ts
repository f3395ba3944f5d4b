import { hash, randomBytes } from 'node:crypto'
import type { Request, RequestHandler, Response } from 'express'

/**
 * The least that a session on Express can be: no expiry, no attribute to choose, no error, no second request at the same
 * time. Its cost is the price of the work itself. Nobody should use it.
 */
export function floor(): RequestHandler {
  const records = new Map<string, string>()
  return (req, res, next) => {
    const session = new FloorSession(records, req.headers.cookie)
    ;(req as { session: unknown }).session = session
    const writeHead = res.writeHead as (...args: unknown[]) => Response
    res.writeHead = (...args: unknown[]) => {
      session.save(res)
      return writeHead.apply(res, args)
    }
    next()
  }
}

export function floorOf(req: Request): FloorSession {
  return (req as unknown as { session: FloorSession }).session
}

class FloorSession {
  readonly #records: Map<string, string>
  #key: string | undefined
  #record: string | undefined
  #data: Record<string, unknown> | undefined
  #modified = false

  constructor(records: Map<string, string>, cookies: string | undefined) {
    this.#records = records
    const at = cookies?.indexOf('sessionid=') ?? -1
    if (at === -1) return
    this.#key = cookies!.slice(at + 10, at + 42)
    this.#record = records.get(hash('sha256', this.#key))
  }

  get(name: string): unknown {
    this.#data ??= this.#record === undefined ? {} : JSON.parse(this.#record)
    return this.#data![name]
  }

  set(name: string, value: unknown): void {
    this.get(name)
    this.#data![name] = value
    this.#modified = true
  }

  save(res: Response): void {
    if (this.#data) res.setHeader('Vary', 'Cookie')
    if (!this.#modified) return
    this.#key ??= randomBytes(16).toString('hex')
    this.#records.set(hash('sha256', this.#key), JSON.stringify(this.#data))
    const expires = new Date(Date.now() + 1_209_600_000).toUTCString()
    res.setHeader(
      'Set-Cookie',
      `sessionid=${this.#key}; Max-Age=1209600; Expires=${expires}; Path=/; HttpOnly; SameSite=Lax`,
    )
    res.setHeader('Cache-Control', 'private')
  }
}
