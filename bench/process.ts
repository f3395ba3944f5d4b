import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Contestant } from './contestants.ts'
import { cookieHeader } from './inject.ts'
import { load, pinned } from './load.ts'

/** What a stretch of load has cost the server. */
export interface Sample {
  requests: number
  /** Wall-clock seconds. */
  seconds: number
  /** Microseconds of the server's processor time, its threads and collections included. */
  cpu: number
}

/** A contestant that listens. */
export class Running {
  readonly contestant: Contestant
  readonly url: string
  readonly #child: ChildProcess

  private constructor(contestant: Contestant, url: string, child: ChildProcess) {
    this.contestant = contestant
    this.url = url
    this.#child = child
  }

  static async start(contestant: Contestant, env: Record<string, string>): Promise<Running> {
    const { framework, name } = contestant
    const server = new URL('./server.ts', import.meta.url).pathname
    const child = spawn(...pinned(0, process.execPath, [server, framework, name]), {
      env: { ...process.env, ...env, NODE_ENV: 'production' },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    let complaints = ''
    child.stderr!.on('data', chunk => {
      complaints += chunk
    })
    const failed = once(child, 'exit').then(() => {
      throw new Error(`${name} on ${framework} did not start:\n${complaints}`)
    })
    const [url] = await Promise.race([once(child, 'message'), failed])
    failed.catch(() => undefined)
    return new Running(contestant, url, child)
  }

  async usage(): Promise<{ requests: number; cpu: number }> {
    const answer = once(this.#child, 'message')
    this.#child.send('usage')
    const [usage] = await answer
    return usage
  }

  async measure(path: string, cookies: string[], seconds: number): Promise<Sample> {
    const before = await this.usage()
    const started = performance.now()
    await load(this.url, path, cookies, seconds)
    const took = (performance.now() - started) / 1000
    const after = await this.usage()
    return { requests: after.requests - before.requests, seconds: took, cpu: after.cpu - before.cpu }
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.disconnect()
    await ended
  }
}

/** One request: what it says, and the `Cookie` header that a browser would have after it. */
export async function ask(
  url: string,
  path: string,
  cookie?: string,
): Promise<{ text: string; cookie: string | undefined }> {
  const response = await fetch(url + path, { headers: cookie === undefined ? {} : { cookie } })
  const text = await response.text()
  if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${text}`)
  return { text, cookie: cookieHeader(response.headers.getSetCookie()) }
}
