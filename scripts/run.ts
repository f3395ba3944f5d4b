import { spawn } from 'node:child_process'
import { setPriority } from 'node:os'
import { root } from './workspace.ts'

export type RunResult = { code: number; output: string }

export type RunOptions = {
  cwd?: string
  env?: Record<string, string>
  /** Print the output as it comes, besides keeping it. */
  live?: boolean
  /** How far the command stands back for others, 0 to 19. */
  nice?: number
}

const running = new Set<ReturnType<typeof spawn>>()

/** Runs a command without a terminal to its end. Its two streams come back as one text. */
export function run(command: string, args: string[], options: RunOptions = {}): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? root,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.add(child)
    if (options.nice && child.pid) setPriority(child.pid, options.nice)
    const chunks: Buffer[] = []
    const keep = (chunk: Buffer, stream: NodeJS.WriteStream): void => {
      chunks.push(chunk)
      if (options.live) stream.write(chunk)
    }
    child.stdout.on('data', chunk => keep(chunk, process.stdout))
    child.stderr.on('data', chunk => keep(chunk, process.stderr))
    child.on('error', reject)
    child.on('close', (code, signal) => {
      running.delete(child)
      const output = Buffer.concat(chunks).toString()
      resolve({ code: code ?? 1, output: signal ? `${output}\n${command} ended by ${signal}\n` : output })
    })
  })
}

/** Like `run`, but a failure is an error that carries the output. */
export async function runOrThrow(command: string, args: string[], options: RunOptions = {}): Promise<string> {
  const { code, output } = await run(command, args, options)
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}\n${output}`)
  return output
}

/** Passes the signal on to every command that is still running. */
export function stopRunning(signal: NodeJS.Signals): void {
  for (const child of running) child.kill(signal)
}

/** Runs `work` over the items, at most `limit` of them at once; results in the order of the items. */
export async function inParallel<T, R>(
  items: T[],
  limit: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  const queue = items.entries()
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await work(item)
  }
  await Promise.all(Array.from({ length: limit }, worker))
  return results
}
