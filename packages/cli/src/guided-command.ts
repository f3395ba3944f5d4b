import { Command, type ErrorOptions } from 'commander'
import { storeOptionFor } from './place.ts'

/** What people call a command who know another tool. */
const COMMANDS = new Map(
  Object.entries({
    end: ['delete', 'remove', 'rm', 'kill', 'revoke', 'logout', 'destroy', 'invalidate'],
    'clear-expired': ['clear', 'clean', 'cleanup', 'prune', 'purge'],
    list: ['ls', 'sessions', 'find', 'search'],
    show: ['get', 'view', 'read', 'cat'],
    stats: ['count', 'info'],
    doctor: ['check', 'status'],
    migrate: ['init', 'setup', 'create'],
    move: ['copy', 'mv', 'cp'],
    inspect: ['ui', 'web', 'browse', 'open'],
  }).flatMap(([command, words]) => words.map(word => [word, command])),
)

/** What people call an option. */
const OPTIONS = new Map([
  ['--user', '--subject'],
  ['--user-id', '--subject'],
  ['--username', '--subject'],
  ['-u', '--subject'],
  ['--force', '--yes'],
  ['-f', '--yes'],
  ['--filter', '--where'],
  ['--url', '--store'],
  ['--db', '--store'],
  ['--database', '--store'],
])

/** A command whose errors say what was probably meant, and that repeat no value that may hold a password. */
export class GuidedCommand extends Command {
  readonly #cwd: string

  constructor(name: string, cwd: string) {
    super(name)
    this.#cwd = cwd
  }

  override createCommand(name = ''): GuidedCommand {
    return new GuidedCommand(name, this.#cwd)
  }

  override error(message: string, options?: ErrorOptions): never {
    return super.error(this.#corrected(message, options?.code), options)
  }

  #corrected(message: string, code: string | undefined): string {
    if (code === 'commander.unknownCommand') return this.#ofCommand(message)
    if (code === 'commander.unknownOption') return this.#ofOption(message)
    if (code === 'commander.excessArguments') return this.#ofArguments()
    return message
  }

  #ofCommand(message: string): string {
    const name = this.args[0] ?? ''
    if (name.includes(':')) return 'error: the first word is a command: sess COMMAND --store …'
    const guess = COMMANDS.get(name)
    return guess === undefined ? message : `error: unknown command '${name}'${didYouMean(guess)}`
  }

  #ofOption(message: string): string {
    const [, flag = '', suggestion = ''] =
      /^error: unknown option '(--[^'=]*|-.).*?'(\n.*)?$/s.exec(message) ?? []
    const misplaced = this.commands
      .flatMap(({ options }) => options)
      .find(({ long, short }) => flag === long || flag === short)
    if (misplaced !== undefined) {
      const command = this.commands.find(each => this.args.includes(each.name()))?.name() ?? 'COMMAND'
      return `error: ${flag} goes after the command: sess ${command} ${flag}${misplaced.required ? ' …' : ''}`
    }
    const guess = OPTIONS.get(flag)
    const isThere = guess !== undefined && this.options.some(({ long }) => long === guess)
    return `error: unknown option '${flag}'${isThere ? didYouMean(guess) : suggestion}`
  }

  #ofArguments(): string {
    const expected = this.registeredArguments.length
    const takes = expected === 0 ? 'no argument' : `${expected} argument${expected === 1 ? '' : 's'}`
    const guess = expected > 0 ? undefined : this.#optionFor(this.args[0]!)
    const suggestion = guess === undefined ? '' : didYouMean(guess)
    return `error: ${this.name()} takes ${takes}, and got ${this.args.length}.${suggestion}`
  }

  /** The option whose value an argument probably is. */
  #optionFor(text: string): string | undefined {
    const [option, value] = storeOptionFor(text, this.#cwd) ?? ['--subject', text]
    if (!this.options.some(({ long }) => long === option)) return undefined
    return `${option} ${/^[\w@.:/+-]+$/.test(value) && !value.includes('://') ? value : '…'}`
  }
}

/** As commander words its own suggestions. */
function didYouMean(guess: string): string {
  return `\n(Did you mean ${guess}?)`
}
