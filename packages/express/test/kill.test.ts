import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { cookiesOf, request } from '@sess/test-fixtures/http.ts'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const PROBE = fileURLToPath(new URL('probe.ts', import.meta.url))

let folder: string
let child: ChildProcess | undefined
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sess-kill-'))
})
afterEach(async () => {
  child?.kill('SIGKILL')
  await rm(folder, { recursive: true })
})

/** Starts the probe app on SQLite as a program of its own. Returns its address. */
async function startProbe(): Promise<string> {
  const env = { ...process.env, STORE: 'sqlite', PORT: '0', SQLITE_URL: join(folder, 'sessions.db') }
  child = spawn(process.execPath, [PROBE], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  for await (const line of createInterface(child.stdout!)) {
    const [, url] = /^listening on (http:.+)$/.exec(line) ?? []
    if (url) return url
  }
  throw new Error('The probe app ended before it listened.')
}

async function end(signal: NodeJS.Signals): Promise<number | null> {
  const exited = once(child!, 'exit')
  child!.kill(signal)
  const [code] = await exited
  child = undefined
  return code
}

describe('a server over SQLite', () => {
  it('killed 50 times while clients write, has every change that was confirmed [F11]', async () => {
    let cookie: string | undefined
    const acknowledged: number[] = []
    let next = 0
    for (let round = 0; round < 50; round++) {
      const url = await startProbe()
      cookie ??= cookiesOf(await request(`${url}/set?k=list&v=[]`, { method: 'POST' }))
      let killed = false
      const client = async (): Promise<void> => {
        while (!killed) {
          const item = next++
          const path = `/append?k=list&v=${item}`
          const response = await request(url + path, { method: 'POST', cookie }).catch(error => {
            // The killed server's connections break.
            if (!killed) throw error
          })
          if (!response) return
          expect(response.status).toBe(200)
          acknowledged.push(item)
        }
      }
      const clients = Array.from({ length: 4 }, client)
      await sleep(10 + Math.random() * 40)
      killed = true
      await end('SIGKILL')
      await Promise.all(clients)
    }
    const url = await startProbe()
    const { value } = (await request(`${url}/get?k=list`, { cookie })).json
    const stored = new Set<number>(value)
    expect(acknowledged.filter(item => !stored.has(item))).toEqual([])
    expect(stored.size).toBe(value.length)
    expect(acknowledged.length).toBeGreaterThan(50)
  }, 120_000)

  it('told to stop, finishes what it has begun and ends [F29]', async () => {
    const url = await startProbe()
    const slow = request(`${url}/setslow?k=a&v=1&wait=200`, { method: 'POST' })
    await sleep(50)
    const code = end('SIGTERM')
    const response = await slow
    expect([response.status, response.setCookies.length]).toEqual([200, 1])
    expect(await code).toBe(0)
    const again = await startProbe()
    const { value } = (await request(`${again}/get?k=a`, { cookie: cookiesOf(response) })).json
    expect(value).toBe(1)
  })
})
