import { type Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import manifest from '../package.json' with { type: 'json' }
import { DEFAULT_AGE } from './age.ts'
import { parseDuration, wholeNumber } from './arguments.ts'
import type { Condition } from './commands/list.ts'
import { type Console, note } from './console.ts'
import { type ExitCode, failureOf, MISUSED } from './failure.ts'
import { GuidedCommand } from './guided-command.ts'

/**
 * Runs the command line. Returns the exit code; `stderr` has been told what went wrong. Each command is imported when
 * it runs, and with it what it needs, so that none pays for the others.
 */
export async function main(argv: readonly string[], console: Console): Promise<ExitCode> {
  let exitCode: ExitCode = 0
  const program = programFor(console, code => {
    exitCode = code
  })
  try {
    await program.parseAsync(unknownCommandOf(program, argv) ?? argv, { from: 'user' })
    return exitCode
  } catch (error) {
    // Commander has written its message, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : MISUSED
    const failure = failureOf(error)
    const { printable } = await import('@sess/core/inspect')
    note(console, `sess: ${printable(failure.message)}`)
    return failure.exitCode
  }
}

/** A command that is none, alone: commander prints the general help for `help lst` and `lst --help`. */
function unknownCommandOf(program: Command, [first, second]: readonly string[]): string[] | undefined {
  const name = first === 'help' ? second : first
  if (name === undefined || name.startsWith('-') || name === 'help') return undefined
  const isKnown = program.commands.some(each => each.name() === name || each.aliases().includes(name))
  return isKnown ? undefined : [name]
}

function programFor(console: Console, ended: (code: ExitCode) => void): Command {
  const program = new GuidedCommand('sess', console.cwd())
    .description('See and end sessions, clear expired ones, prepare, examine and change their store.')
    .version(manifest.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print the help of a command')
    .helpCommand('help [command]', 'print the help of a command')
    .showHelpAfterError('(sess --help says what there is)')
    .configureOutput({
      writeOut: text => console.stdout.write(text),
      writeErr: text => console.stderr.write(text),
      getOutHelpWidth: () => console.stdout.columns ?? 100,
      getErrHelpWidth: () => console.stderr.columns ?? 100,
      outputError: (text, write) => write(text.replace(/^error: /, 'sess: ')),
    })
    .exitOverride()
    .addHelpText('after', HELP)

  /** A command of the program, which hands down its settings (exitOverride, output). */
  const command = (name: string, description: string, examples: string) =>
    program
      .command(name)
      .description(description)
      .helpOption('-h, --help', 'print this help')
      .showHelpAfterError(`(sess ${name.split(' ')[0]} --help says what there is)`)
      .addHelpText('after', `\nExamples:\n${indented(examples)}`)

  const run =
    <Options>(work: (options: Options, args: string[]) => Promise<ExitCode | undefined>) =>
    async (...all: unknown[]) => {
      const self = all.at(-1) as Command
      ended((await work(withEnvironment(self.opts(), console) as Options, self.args)) ?? 0)
    }

  withStore(
    command(
      'migrate',
      'Create the table or folder that a store needs, or add what an older one lacks.',
      `sess migrate --store sqlite:sessions.db
sess migrate --store postgres://app@db/shop --dry-run    # prints the SQL
SESS_STORE=mysql://app:pw@db/shop sess migrate`,
    )
      .option('--dry-run', 'print the SQL, and change nothing')
      .option('--json', 'print JSON'),
  ).action(
    run<import('./commands/migrate.ts').MigrateOptions>(async options => {
      const { migrate } = await import('./commands/migrate.ts')
      await migrate(console, options)
      return 0
    }),
  )

  withStore(
    command(
      'clear-expired',
      'Remove expired sessions, in batches (Django: clearsessions).',
      `sess clear-expired --store sqlite:sessions.db
sess clear-expired --every 1h                            # stays, and clears every hour
sess clear-expired --django --store sqlite:db.sqlite3    # what manage.py clearsessions does
17 3 * * *  sess clear-expired --quiet                   # in a crontab`,
    )
      .alias('clearsessions')
      .option('--every <time>', 'stay, and clear again after so long: 30s, 15m, 1h, 1d', parseDuration)
      .option('--batch <count>', 'sessions to remove in one step', wholeNumber(1))
      .option('-q, --quiet', 'print errors alone')
      .option('--json', 'print a line of JSON for each batch'),
  ).action(
    run<import('./commands/clear-expired.ts').ClearExpiredOptions>(async options => {
      const { clearExpired } = await import('./commands/clear-expired.ts')
      return clearExpired(console, options)
    }),
  )

  withStore(
    command(
      'list',
      'List live sessions, newest first where it is known when they began.',
      `sess list --store sqlite:sessions.db
sess list --subject 42                                   # of one user
sess list --where cart.currency=EUR --limit 0            # by a value in the data, all of them
sess list --django --store postgres://app@db/site        # Django's table
sess list --json | jq '.[].id'`,
    )
      .option('--subject <subject>', 'only the sessions of this user')
      .option('--where <key=value>', 'only those with this value in their data; may be repeated', parseWhere)
      .option('--limit <count>', 'how many at the most; 0 for all', wholeNumber(0), 50)
      .addOption(ageOption())
      .option('--json', 'print JSON'),
  ).action(
    run<import('./commands/list.ts').ListOptions>(async options => {
      const { list } = await import('./commands/list.ts')
      return list(console, options)
    }),
  )

  withStore(
    command(
      'show <id>',
      'Show one session with its data (Django: get_decoded). Takes an id or a session key.',
      `sess show 3f786850e387550fdab836ed7e6dc881de23001b
sess show 0aqt1xv9mz3k5n7d2c4b6f8h1j3l5p7r --cookie-name sid
sess show --django --store sqlite:db.sqlite3 q1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h6
sess show ID --reveal                                    # with passwords and tokens`,
    )
      .option('--reveal', 'show values that look secret, too')
      .addOption(ageOption())
      .option('--json', 'print JSON'),
  ).action(
    run<import('./commands/show.ts').ShowOptions>(async (options, [id = '']) => {
      const { show } = await import('./commands/show.ts')
      await show(console, id, options)
      return 0
    }),
  )

  withStore(
    command(
      'end [ids...]',
      'End sessions: log out a device, or a user everywhere. Takes ids or session keys. Asks first.',
      `sess end 3f786850e387550fdab836ed7e6dc881de23001b
sess end --subject 42                                    # everywhere
sess end --subject 42 --yes                              # in a script: does not ask`,
    )
      .option('--subject <subject>', 'all sessions of this user')
      .option('-y, --yes', 'do not ask')
      .option('--json', 'print JSON'),
  ).action(
    run<import('./commands/end.ts').EndOptions>(async (options, ids) => {
      const { end } = await import('./commands/end.ts')
      return end(console, ids, options)
    }),
  )

  withStore(
    command(
      'stats',
      'Count sessions: how many, how large, how old, whose, and how many expired ones wait.',
      `sess stats --store sqlite:sessions.db
sess stats --json`,
    ).option('--json', 'print JSON'),
  ).action(
    run<import('./commands/stats.ts').StatsOptions>(async options => {
      const { stats } = await import('./commands/stats.ts')
      return stats(console, options)
    }),
  )

  command(
    'move',
    'Copy live sessions to another store while the old and the new site run. Nobody is logged out.',
    `sess move --from sqlite:sessions.db --to postgres://app@db/shop
sess move --from ... --to ... --every 5s                 # stays, until only the new site runs
sess move --from ... --to ... --finish                   # then: empties the old store
SESS_FROM=redis://:pw@old SESS_TO=redis://:pw@new sess move`,
  )
    .option('--from <store>', 'the old store: a URL as in --store, or a module as in --config (or SESS_FROM)')
    .option('--to <store>', 'the new store; `sess migrate` prepares it (or SESS_TO)')
    .option('--every <time>', 'stay, and compare both again after so long: 5s, 1m', parseDuration)
    .option('--finish', 'end the move: remove what was copied from the old store. Asks first')
    .option('--django', "both are Django's table, with Django's data")
    .option('--from-table <name>', 'SQL: the old table (sessions, or django_session)')
    .option('--to-table <name>', 'SQL: the new table')
    .option('--from-prefix <text>', 'Redis: what old keys begin with (sess2:)')
    .option('--to-prefix <text>', 'Redis: what new keys begin with')
    .option('--accept-loss', 'believe that most users have logged out of the old store')
    .option('-y, --yes', 'do not ask')
    .option('-q, --quiet', 'print errors alone')
    .option('--json', 'print a line of JSON for each walk through the stores')
    .action(
      run<import('./commands/move.ts').MoveOptions>(async options => {
        const { move } = await import('./commands/move.ts')
        return move(console, options)
      }),
    )

  withStore(
    command(
      'doctor',
      'Examine a store: round trip, clocks, indexes, settings, permissions. Says what to change, and changes nothing.',
      `sess doctor --store postgres://app@db/shop
sess doctor --json || alert                              # 1 if something breaks sessions`,
    ).option('--json', 'print JSON'),
  ).action(
    run<import('./commands/doctor.ts').DoctorOptions>(async options => {
      const { doctor } = await import('./commands/doctor.ts')
      return doctor(console, options)
    }),
  )

  withStore(
    command(
      'inspect',
      'Show and end sessions in the browser. Only this machine can open the page, with the URL that is printed.',
      `sess inspect --store sqlite:sessions.db
sess inspect --django --store postgres://app@db/site --port 8300
ssh -L 8300:127.0.0.1:8300 server                        # then sess inspect --port 8300 there`,
    )
      .option('--port <number>', 'the port on 127.0.0.1; 0 for a free one', wholeNumber(0), 0)
      .addOption(ageOption()),
  ).action(
    run<import('./commands/inspect.ts').InspectOptions>(async options => {
      const { inspect } = await import('./commands/inspect.ts')
      return inspect(console, options)
    }),
  )

  command(
    'decode <text>',
    "Say what is in a payload or a cookie: ours, Django's, or of express-session.",
    `sess decode 's:4fLXW0Zp9sB2eGmQ.X3Z0bG9uZ2Jhc2U2NHNpZ25hdHVyZQ'
sess decode 'sessionid=.eJxVjEEOwiAQ…:1rW2Xk:9c…'
SESS_SECRET=… sess decode - < cookie.txt                 # checks the signature`,
  )
    .addOption(secretOption())
    .addOption(cookieNameOption())
    .option('--reveal', 'show values that look secret, too')
    .option('--json', 'print JSON')
    .action(
      run<import('./commands/decode.ts').DecodeOptions>(async (options, [text = '']) => {
        const { decode } = await import('./commands/decode.ts')
        return decode(console, text, options)
      }),
    )

  command(
    'secret',
    'Print a new secret: 32 random bytes, for `secret` of createSessions().',
    `sess secret
echo "SESSION_SECRET=$(sess secret)" >> .env`,
  ).action(
    run(async () => {
      const { secret } = await import('./commands/secret.ts')
      secret(console)
      return 0
    }),
  )

  return program
}

/** The options that name the store, under a heading of their own. */
function withStore(command: Command): Command {
  return command
    .optionsGroup('Which store:')
    .option(
      '-s, --store <store>',
      'sqlite:FILE, postgres://…, mysql://…, redis://…, file:FOLDER (or SESS_STORE)',
    )
    .option('-c, --config <file>', 'a module that exports a store, an engine or its options (sess.config.ts)')
    .option('--django', "Django's table and data; SESS_SECRET may hold its SECRET_KEY")
    .option('--table <name>', 'SQL: the table (sessions, or django_session)')
    .option('--schema <name>', "SQL: the table's schema or database")
    .option('--prefix <text>', 'Redis: what keys begin with (sess2:)')
    .addOption(cookieNameOption())
    .addOption(secretOption())
}

function ageOption(): Option {
  const what = `the app's \`age\`, to tell when a session was last seen; ${DEFAULT_AGE} if it sets none`
  return new Option('--age <seconds>', what).argParser(wholeNumber(1))
}

function cookieNameOption(): Option {
  return new Option('--cookie-name <name>', "the session cookie's name (sessionid)")
}

function secretOption(): Option {
  return new Option(
    '--secret <text>',
    'the secret that signs; may be repeated. Others see it in `ps`: use SESS_SECRET',
  ).argParser((text: string, before: string[] | undefined) => [...(before ?? []), text])
}

/** The variables, where the option was not given. A config module wins over SESS_STORE. */
function withEnvironment(options: Record<string, unknown>, { env }: Console): Record<string, unknown> {
  const { SESS_STORE: store, SESS_SECRET: secret, SESS_FROM: from, SESS_TO: to } = env
  return {
    ...(from && { from }),
    ...(to && { to }),
    ...(store && options['config'] === undefined && { store }),
    ...(secret && { secret: [secret] }),
    ...options,
  }
}

function parseWhere(text: string, before: Condition[] | undefined): Condition[] {
  const [, path = '', value] = /^([^=]+)=(.*)$/s.exec(text) ?? []
  if (value === undefined) throw new InvalidArgumentError('Give key=value, such as cart.currency=EUR.')
  return [...(before ?? []), { path, value }]
}

function indented(lines: string): string {
  return lines
    .split('\n')
    .map(line => `  ${/^\d/.test(line) ? line : `$ ${line}`}`)
    .join('\n')
}

const HELP = `
The store is named by --store, by SESS_STORE (which others cannot see in \`ps\`), or by a sess.config.ts in this folder.

Examples:
  $ export SESS_STORE=sqlite:sessions.db
  $ sess list --subject 42          which sessions has user 42?
  $ sess show ID                    what is in one?
  $ sess end --subject 42           log user 42 out everywhere
  $ sess clear-expired --every 1h   remove expired sessions, every hour

Exit codes: 0 done, 1 found wrong or answered with no, 2 used wrongly, 3 store cannot be reached, 130 stopped by
Ctrl-C before the end. inspect and --every end with 0, because Ctrl-C is how they end.`
