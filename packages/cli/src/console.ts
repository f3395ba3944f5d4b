import { styleText } from 'node:util'

/** What a command reads from and writes to. `process` fits. */
export interface Console {
  readonly stdin: NodeJS.ReadableStream & { isTTY?: boolean }
  readonly stdout: NodeJS.WritableStream & { isTTY?: boolean; columns?: number }
  readonly stderr: NodeJS.WritableStream & { isTTY?: boolean; columns?: number }
  readonly env: Readonly<Record<string, string | undefined>>
  cwd(): string
  on(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown
  off(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown
}

/** Whether a person sits there: they can be asked, and see a progress bar. */
export function isInteractive({ stdin, stderr }: Console): boolean {
  return stdin.isTTY === true && stderr.isTTY === true
}

export function say({ stdout }: Console, line = ''): void {
  stdout.write(`${line}\n`)
}

/** For people: what scripts that read stdout do not want. */
export function note({ stderr }: Console, line: string): void {
  stderr.write(`${line}\n`)
}

export function sayJson(console: Console, value: unknown, indent?: number): void {
  say(console, JSON.stringify(value, null, indent))
}

type Style = Parameters<typeof styleText>[0]

/** The text in that style, where stdout is a terminal that shows colours (and NO_COLOR is not set). */
export function styled({ stdout, env }: Console, style: Style, text: string): string {
  if (stdout.isTTY !== true || env['NO_COLOR'] || env['TERM'] === 'dumb') return text
  return styleText(style, text, { validateStream: false })
}
