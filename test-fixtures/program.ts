import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** A server in a process of its own, for faults that end a process. */
export interface Program {
  url: string
  /** What it has written to stderr so far. */
  stderr(): string
  /** Whether it still runs. */
  alive(): boolean
  [Symbol.asyncDispose](): Promise<void>
}

/** Runs a script that prints `listening on http://…` when it is ready. */
export async function runProgram(file: string): Promise<Program> {
  const child: ChildProcess = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(child, 'exit')
  let stderr = ''
  child.stderr!.setEncoding('utf8').on('data', text => {
    stderr += text
  })
  const ready = once(createInterface(child.stdout!), 'line')
  const [line] = await Promise.race([ready, ended])
  if (typeof line !== 'string') throw new Error(`${file} has ended: ${stderr}`)
  return {
    url: line.replace('listening on ', ''),
    stderr: () => stderr,
    alive: () => child.exitCode === null && child.signalCode === null,
    async [Symbol.asyncDispose]() {
      child.kill()
      await ended
    },
  }
}
