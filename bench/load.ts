import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Load } from './load-process.ts'

const CONNECTIONS = 64

/** The command that keeps a process on one core, where the system can do that. Servers get the first. */
export function pinned(core: 0 | 1, command: string, args: string[]): [string, string[]] {
  return CAN_PIN ? ['taskset', ['-c', String(core), command, ...args]] : [command, args]
}

const CAN_PIN = availableParallelism() > 1 && spawnSync('taskset', ['--version']).error === undefined

/** How load is made here, in words. */
export const LOADER = `${CONNECTIONS} keep-alive connections${
  CAN_PIN ? ', server on one core, load (and Redis) on another' : ''
}`

/** Requests one path as fast as responses come. The cookies take turns. A response that is not 2xx is an error. */
export async function load(url: string, path: string, cookies: string[], seconds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sess-bench-'))
  try {
    const file = join(folder, 'load.json')
    const order: Load = { url, path, cookies, seconds, connections: CONNECTIONS }
    writeFileSync(file, JSON.stringify(order))
    const loader = join(import.meta.dirname, 'load-process.ts')
    await promisify(execFile)(...pinned(1, process.execPath, [loader, file]))
  } finally {
    rmSync(folder, { recursive: true })
  }
}
