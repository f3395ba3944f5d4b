import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** A server in a process of its own, for faults that end a process. */
export interface Program {
  url: string
  /** What it has written to stderr so far. */
  stderr(): string
  /** What it has written to stdout so far. */
  stdout(): string
  /** Resolves when it has written that line to stdout. */
  line(text: string): Promise<void>
  /** Whether it still runs. */
  alive(): boolean
  /** Sends it a signal. Resolves when it has ended, with how. */
  stop(signal: NodeJS.Signals): Promise<{ code: number | null; signal: string | null }>
  [Symbol.asyncDispose](): Promise<void>
}

export interface ProgramOptions {
  /** The runtime and its arguments: this Node by default. */
  command?: string[]
  cwd?: string
  env?: Record<string, string>
}

/** Runs a script that prints `listening on http://…` when it is ready. */
export async function runProgram(
  file: string,
  { command: [runtime, ...args] = [process.execPath], cwd, env }: ProgramOptions = {},
): Promise<Program> {
  const child: ChildProcess = spawn(runtime!, [...args, file], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(cwd && { cwd }),
    env: { ...process.env, ...env },
  })
  const ended = once(child, 'exit')
  let stderr = ''
  child.stderr!.setEncoding('utf8').on('data', text => {
    stderr += text
  })
  const lines: string[] = []
  const reader = createInterface(child.stdout!).on('line', line => lines.push(line))
  const url = await new Promise<string>((resolve, reject) => {
    reader.on('line', line => {
      const found = /listening on (http:\/\/\S+?)\/?$/i.exec(line)
      if (found) resolve(found[1]!)
    })
    ended.then(() => reject(new Error(`${file} has ended: ${lines.join('\n')}${stderr}`)), reject)
  })
  return {
    url,
    stderr: () => stderr,
    stdout: () => lines.join('\n'),
    async line(text) {
      while (!lines.includes(text)) await once(reader, 'line')
    },
    alive: () => child.exitCode === null && child.signalCode === null,
    async stop(signal) {
      child.kill(signal)
      const [code, by] = await ended
      return { code, signal: by }
    },
    async [Symbol.asyncDispose]() {
      child.kill()
      await ended
    },
  }
}
