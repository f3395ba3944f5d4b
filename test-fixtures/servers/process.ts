import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

/** A real server that this process started. */
export interface Server {
  readonly url: string
  readonly port: number
  /** The server process itself, a new one after each `restart`. */
  readonly pid: number
  /** What a probe app's environment needs to find the server: `{ REDIS_URL: … }`. */
  readonly env: Record<string, string>
  /** Data and log, gone after `stop`. */
  readonly dir: string
  /** What the server wrote to its log so far. */
  log(): string
  /** Stops the server, frozen or dead as it may be, and removes its files. A second call does nothing. */
  stop(): Promise<void>
  /**
   * Sends a signal to the server process and its own children. Resolves when it has died, for `SIGKILL`; at once for
   * every other signal.
   */
  kill(signal: NodeJS.Signals): Promise<void>
  /** Ends the server in an orderly way if it still runs, and starts it again on the same port and data. */
  restart(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** How one kind of server is started. */
export interface ServerRecipe {
  name: string
  /** Run as this user when we are root, because the server refuses root. */
  user?: string
  /** Ends the server soon and in an orderly way. */
  stopSignal: 'TERM' | 'INT'
  /** Fills the fresh folder. */
  prepare?(dir: string): Promise<void>
  command(dir: string, port: number): string[]
  /** Resolves to true once the server answers. */
  isReady(dir: string, port: number, pid: number): Promise<boolean>
  url(port: number): string
  env(port: number): Record<string, string>
}

const START_TIMEOUT = 30_000

// The server is a child of this shell, not of the test: when the test dies, however, its end of the pipe closes, `read`
// ends, and the server and its files go. A line `keep` ends the server and leaves the files, for a restart.
const GUARD = `
dir=$1 signal=$2
shift 2
exec 3<&0
"$@" </dev/null >>"$dir/log" 2>&1 3<&- &
pid=$!
# Nobody may read our words any more; the server keeps the default.
trap '' PIPE
echo "$pid" 2>/dev/null
(
  exec >/dev/null
  read -r order <&3 || order=remove
  if [ ! -e "$dir/exited" ]; then
    kill -CONT "$pid" $(cat "/proc/$pid/task/$pid/children")
    kill -"$signal" "$pid"
    tries=0
    while [ ! -e "$dir/exited" ] && [ "$tries" -lt 100 ]; do tries=$((tries + 1)); sleep 0.05; done
    [ -e "$dir/exited" ] || kill -KILL "$pid"
  fi 2>>"$dir/log"
  [ "$order" = keep ]
) &
reader=$!
wait "$pid" 2>>"$dir/log"
: >"$dir/exited"
echo exited 2>/dev/null
wait "$reader" && exit
# PostgreSQL leaves a System V segment behind when it is killed; line 7 of its pid file names it.
if [ -e "$dir/data/postmaster.pid" ]; then
  set -- $(sed -n 7p "$dir/data/postmaster.pid")
  [ -z "$2" ] || ipcrm -m "$2" 2>/dev/null
fi
rm -rf -- "$dir"
`

/** Starts a server on a free port of 127.0.0.1; another process that took the port meanwhile only costs a retry. */
export async function startServer(recipe: ServerRecipe): Promise<Server> {
  const dir = mkdtempSync(join(tmpdir(), `sess-${recipe.name}-`))
  let guard: Guard | undefined
  let port = 0
  try {
    await recipe.prepare?.(dir)
    for (let attempt = 1; ; attempt++) {
      port = await freePort()
      guard = await startGuard(recipe, dir, port)
      if (await becomesReady(recipe, dir, port, guard)) break
      const log = readLog(dir)
      await guard.end('keep')
      if (attempt === 5 || !/address already in use|could not bind|bind on tcp/i.test(log)) {
        throw new Error(`${recipe.name} did not start:\n${log.slice(-2000)}`)
      }
    }
  } catch (error) {
    rmSync(dir, { recursive: true, force: true })
    throw error
  }

  let running: Guard | undefined = guard
  const server: Server = {
    url: recipe.url(port),
    port,
    get pid() {
      return (running ?? guard!).pid
    },
    env: recipe.env(port),
    dir,
    log: () => readLog(dir),
    async stop() {
      const stopping = running
      running = undefined
      await stopping?.end('remove')
    },
    async kill(signal) {
      if (running === undefined || running.exited) throw new Error(`${recipe.name} is not running.`)
      const pids = [running.pid, ...descendants(running.pid)]
      for (const pid of pids) sendSignal(pid, signal)
      if (signal === 'SIGKILL') {
        await running.exit()
        await gone(pids)
      }
    },
    async restart() {
      if (running === undefined) throw new Error(`${recipe.name} is stopped, and its data is gone.`)
      await running.end('keep')
      running = await startGuard(recipe, dir, port)
      if (await becomesReady(recipe, dir, port, running)) return
      throw new Error(`${recipe.name} did not start again:\n${readLog(dir).slice(-2000)}`)
    },
    [Symbol.asyncDispose]: () => server.stop(),
  }
  return server
}

/** A command's whole output; rejects with it when the command fails. */
export function run(command: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', chunk => {
      output += chunk
    })
    child.stderr.on('data', chunk => {
      output += chunk
    })
    child.on('error', reject)
    child.on('close', code => {
      if (code === 0) resolve(output)
      else reject(new Error(`${command.join(' ')} ended with ${code}:\n${output.slice(-2000)}`))
    })
  })
}

/** The command as another user, for servers that refuse root; unchanged when we are not root. */
export function asUser(user: string, command: string[]): string[] {
  if (process.getuid?.() !== 0) return command
  return ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups', '--', ...command]
}

/**
 * A port nobody listens on, from below the range that outgoing connections take theirs from: so a server that is
 * stopped finds its port free when it starts again, and no client connects to itself meanwhile.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 17_000)
    const probe = createServer()
    const free = await new Promise<boolean>(resolve => {
      probe.once('error', () => resolve(false))
      probe.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!free) continue
    await new Promise(resolve => probe.close(resolve))
    return port
  }
}

interface Guard {
  pid: number
  exited: boolean
  exit(): Promise<void>
  end(order: 'keep' | 'remove'): Promise<void>
}

async function startGuard(recipe: ServerRecipe, dir: string, port: number): Promise<Guard> {
  rmSync(join(dir, 'exited'), { force: true })
  const command = recipe.command(dir, port)
  const shell = spawn(
    '/bin/sh',
    [
      '-c',
      GUARD,
      `guard of ${recipe.name}`,
      dir,
      recipe.stopSignal,
      ...(recipe.user ? asUser(recipe.user, command) : command),
    ],
    { stdio: ['pipe', 'pipe', 'inherit'], detached: true, cwd: '/' },
  )
  const closed = new Promise<void>((resolve, reject) => {
    shell.once('error', reject)
    shell.once('close', () => resolve())
  })
  const lines = createInterface(shell.stdout)
  let sawPid: (pid: number) => void
  let sawExit: () => void
  const pid = new Promise<number>(resolve => {
    sawPid = resolve
  })
  const exited = new Promise<void>(resolve => {
    sawExit = resolve
  })
  lines.on('line', line => {
    if (line === 'exited') {
      guard.exited = true
      sawExit()
    } else {
      sawPid(Number(line))
    }
  })
  const guard: Guard = {
    pid: 0,
    exited: false,
    async exit() {
      hold(shell, true)
      await exited
      hold(shell, false)
    },
    async end(order) {
      hold(shell, true)
      shell.stdin.end(order === 'keep' ? 'keep\n' : '')
      await closed
    },
  }
  guard.pid = await Promise.race([pid, closed.then(() => -1)])
  if (guard.pid < 0) throw new Error(`The guard of ${recipe.name} ended at once.`)
  // A test file that forgets `stop` still ends, and the guard then cleans up.
  hold(shell, false)
  return guard
}

function hold(shell: ChildProcess, held: boolean): void {
  for (const handle of [shell, shell.stdin, shell.stdout] as unknown as { ref(): void; unref(): void }[]) {
    if (held) handle.ref()
    else handle.unref()
  }
}

async function becomesReady(recipe: ServerRecipe, dir: string, port: number, guard: Guard): Promise<boolean> {
  const deadline = Date.now() + START_TIMEOUT
  while (!guard.exited && Date.now() < deadline) {
    // A server that failed to bind is followed by its exit; somebody else's answer on that port must not count.
    if ((await recipe.isReady(dir, port, guard.pid)) && !guard.exited) return true
    await sleep(20)
  }
  return false
}

function readLog(dir: string): string {
  return readFileSync(join(dir, 'log'), 'utf8')
}

function descendants(pid: number): number[] {
  if (process.platform !== 'linux') return []
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const status = processStatus(Number(name))
    if (status) parents.set(Number(name), status.parent)
  }
  const found = new Set([pid])
  for (let before = 0; before !== found.size; ) {
    before = found.size
    for (const [child, parent] of parents) if (found.has(parent)) found.add(child)
  }
  found.delete(pid)
  return [...found]
}

function processStatus(pid: number): { state: string; parent: number } | null {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return null
    throw error
  }
  // pid (name, which may hold spaces and brackets) state parent …
  const [state, parent] = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { state: state!, parent: Number(parent) }
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    // A child of the server that ended in between.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

async function gone(pids: number[]): Promise<void> {
  if (process.platform !== 'linux') return
  while (pids.some(pid => !['Z', 'X', undefined].includes(processStatus(pid)?.state))) await sleep(5)
}
