import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { command, inherited } from './command.ts'

const helper = fileURLToPath(new URL('terminal.py', import.meta.url))

export interface Seen {
  code: number | null
  /** All that the terminal got. */
  screen: string
}

/**
 * Runs `sess` in a pseudo-terminal. When the screen shows `when`, the keys are typed; each pair once, in order. `'\u0003'`
 * is Ctrl-C.
 */
export async function inTerminal(
  args: readonly string[],
  env: Record<string, string>,
  keys: readonly { when: string; type: string }[] = [],
): Promise<Seen> {
  const child = spawn('/usr/bin/python3', [helper, process.execPath, command, ...args], {
    env: { ...inherited, TERM: 'xterm-256color', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  const left = [...keys]
  let screen = ''
  let from = 0
  child.stdout.setEncoding('utf8')
  for await (const text of child.stdout) {
    screen += text
    for (let next = left[0]; next && screen.indexOf(next.when, from) >= 0; next = left[0]) {
      from = screen.length
      child.stdin.write(next.type)
      left.shift()
    }
  }
  const [code] = await exit
  if (left.length > 0)
    throw new Error(`The terminal never showed "${left[0]!.when}": ${JSON.stringify(screen)}`)
  return { code, screen }
}
