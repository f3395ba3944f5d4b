import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const CONNECTIONS = 64

const has = (command: string, ...args: string[]): boolean => spawnSync(command, args).error === undefined

/** The command that keeps a process on one core, for there where processes can be told. Servers get the first. */
export function pinned(core: 0 | 1, command: string, args: string[]): [string, string[]] {
  return CAN_PIN ? ['taskset', ['-c', String(core), command, ...args]] : [command, args]
}

const CAN_PIN = availableParallelism() > 1 && has('taskset', '--version')
const HAS_WRK = has('wrk', '--version')

/** How load is made here, in words. */
export const LOADER = `${HAS_WRK ? 'wrk' : 'autocannon'}, ${CONNECTIONS} keep-alive connections${
  CAN_PIN ? ', server on one core, load (and Redis) on another' : ''
}`

/** Asks for one path as fast as it is answered; the cookies take turns. An answer that is not 2xx is an error. */
export async function load(url: string, path: string, cookies: string[], seconds: number): Promise<void> {
  const failed = HAS_WRK
    ? await wrk(url, path, cookies, seconds)
    : await autocannon(url, path, cookies, seconds)
  if (failed > 0) throw new Error(`${path}: ${failed} answers were errors.`)
}

async function wrk(url: string, path: string, cookies: string[], seconds: number): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'sess-bench-'))
  try {
    const file = join(folder, 'cookies')
    writeFileSync(file, `${(cookies.length > 0 ? cookies : ['-']).join('\n')}\n`)
    const script = join(import.meta.dirname, 'load.lua')
    const args = ['-t1', `-c${CONNECTIONS}`, `-d${Math.max(1, Math.round(seconds))}s`, '--timeout', '30s']
    const command = pinned(1, 'wrk', [...args, '-s', script, url, '--', path, file])
    const { stdout } = await promisify(execFile)(...command)
    const bad = /Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1]
    const broken = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(stdout)
    return Number(bad ?? 0) + (broken?.slice(1).reduce((sum, count) => sum + Number(count), 0) ?? 0)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function autocannon(url: string, path: string, cookies: string[], seconds: number): Promise<number> {
  const { default: autocannon } = await import('autocannon')
  let client = 0
  const result = await autocannon({
    url: url + path,
    connections: CONNECTIONS,
    duration: seconds,
    timeout: 30,
    // A session of its own for every connection: no two requests of one session overlap.
    setupClient(each: { setHeaders(headers: object): void }) {
      if (cookies.length > 0) each.setHeaders({ cookie: cookies[client++ % cookies.length] })
    },
  })
  return result.non2xx + result.errors
}
