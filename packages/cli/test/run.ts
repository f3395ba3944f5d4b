import { EventEmitter } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { createSessions, type Device, type SessionsOptions } from '@sess/core'
import { afterAll } from 'vitest'
import { main } from '../src/program.ts'

export interface Result {
  code: number
  out: string
  err: string
}

export interface RunOptions {
  env?: Record<string, string>
  cwd?: string
  stdin?: string
  /** Gets each piece of stdout; `interrupt` is what Ctrl-C does. */
  onOut?: (text: string, interrupt: () => void) => void
  /** Ctrl-C is pressed when this resolves. */
  interrupt?: Promise<unknown>
  /** Gets each piece of stderr. */
  onErr?: (text: string) => void
}

/** Runs the command line in this process, without a terminal. */
export async function sess(args: readonly string[], options: RunOptions = {}): Promise<Result> {
  const result = { out: '', err: '' }
  const signals = new EventEmitter()
  const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() }
  streams.stdin.end(options.stdin ?? '')
  streams.stdout.on('data', chunk => {
    result.out += chunk
    options.onOut?.(String(chunk), () => signals.emit('SIGINT'))
  })
  streams.stderr.on('data', chunk => {
    result.err += chunk
    options.onErr?.(String(chunk))
  })
  void options.interrupt?.then(() => signals.emit('SIGINT'))
  const code = await main(args, {
    ...streams,
    env: options.env ?? {},
    cwd: () => options.cwd ?? process.cwd(),
    on: (name, listener) => signals.on(name, listener),
    off: (name, listener) => signals.off(name, listener),
  })
  return { code, ...result }
}

/** A folder that is removed after the tests of this file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sess-cli-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export interface Planted {
  data: Record<string, unknown>
  subject?: string | number
  device?: Device
  /** Seconds that it lives on; negative: it has expired. */
  expiry?: number
}

/** Saves sessions as an application does. Returns their keys. */
export async function plant(options: SessionsOptions, planted: readonly Planted[]): Promise<string[]> {
  const keys: string[] = []
  for (const { data, subject, device, expiry } of planted) {
    // An expired session was saved a while ago.
    const clock = () => Date.now() - (expiry !== undefined && expiry < 0 ? 3_600_000 : 0)
    const sessions = createSessions({ ...options, clock })
    const session = sessions.open()
    await session.load()
    for (const [key, value] of Object.entries(data)) session.set(key, value)
    if (subject !== undefined) session.subject = subject
    if (device !== undefined) session.device = device
    if (expiry !== undefined) session.setExpiry(expiry < 0 ? 3_600 + expiry : expiry)
    await sessions.commit(session, { status: 200 })
    keys.push(session.sessionKey!)
  }
  return keys
}
