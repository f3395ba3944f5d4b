import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { cookiesOf, request } from '@sess/test-fixtures/http.ts'

const PROBE = fileURLToPath(new URL('probe.ts', import.meta.url))

/** The probe app over one SQLite file, as a program that can be started and killed again and again. */
export class KilledServer {
  readonly #folder: string
  #child: ChildProcess | undefined

  private constructor(folder: string) {
    this.#folder = folder
  }

  static async inTemporaryFolder(): Promise<KilledServer> {
    return new KilledServer(await mkdtemp(join(tmpdir(), 'sess-kill-')))
  }

  /** Starts the program. Returns its address. */
  async start(): Promise<string> {
    const env = { ...process.env, STORE: 'sqlite', PORT: '0', SQLITE_URL: join(this.#folder, 'sessions.db') }
    this.#child = spawn(process.execPath, [PROBE], { env, stdio: ['ignore', 'pipe', 'inherit'] })
    for await (const line of createInterface(this.#child.stdout!)) {
      const [, url] = /^listening on (http:.+)$/.exec(line) ?? []
      if (url) return url
    }
    throw new Error('The probe app ended before it listened.')
  }

  /** Ends the program. Returns its exit code. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child!
    const exited = once(child, 'exit')
    child.kill(signal)
    const [code] = await exited
    this.#child = undefined
    return code
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child?.kill('SIGKILL')
    await rm(this.#folder, { recursive: true })
  }
}

/** Kills the server `rounds` times while four clients append to one list. */
export async function killWhileWriting(
  server: KilledServer,
  rounds: number,
): Promise<{ confirmed: number[]; stored: number[] }> {
  let cookie: string | undefined
  const confirmed: number[] = []
  let next = 0
  for (let round = 0; round < rounds; round++) {
    const url = await server.start()
    cookie ??= cookiesOf(await request(`${url}/set?k=list&v=[]`, { method: 'POST' }))
    let killed = false
    // While the other clients are still writing.
    const killAt = confirmed.length + 1 + Math.floor(Math.random() * 8)
    const timeToKill = Promise.withResolvers<void>()
    const client = async (): Promise<void> => {
      while (!killed) {
        const item = next++
        const path = `/append?k=list&v=${item}`
        const response = await request(url + path, { method: 'POST', cookie }).catch(error => {
          // The killed server's connections break.
          if (!killed) throw error
        })
        if (!response) return
        if (response.status !== 200) throw new Error(`POST /append has the status ${response.status}.`)
        confirmed.push(item)
        if (confirmed.length >= killAt) timeToKill.resolve()
      }
    }
    const clients = Array.from({ length: 4 }, client)
    // A client that fails before the kill ends the wait.
    await Promise.race([timeToKill.promise, ...clients])
    killed = true
    await server.end('SIGKILL')
    await Promise.all(clients)
  }
  const url = await server.start()
  const { value } = (await request(`${url}/get?k=list`, { cookie })).json
  return { confirmed, stored: value }
}
