import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from './servers/process.ts'

/** The runtimes that tests install from npm, each a package under a name of its own, and a test runner. */
const VERSIONS: Record<string, string> = {
  'node-22.13': 'npm:node@22.13.0',
  'node-22': 'npm:node@22',
  'node-24': 'npm:node@24',
  'node-26': 'npm:node@26',
  bun: '1.4.5',
  deno: '2.9.6',
  workerd: '1.20261117.1',
  jest: '30',
}

const BINARIES: Record<string, string> = {
  bun: 'bin/bun.exe',
  deno: 'deno',
  workerd: 'bin/workerd',
  jest: 'bin/jest.js',
}

/** A folder that git ignores. */
const home = join(import.meta.dirname, '../node_modules/.cache/runtimes')

/** Those of `all` that the command line asks for; without a word all of them. */
export function askedFor(all: readonly string[]): string[] {
  const wanted = process.argv.slice(2)
  const names = all.filter(name => wanted.length === 0 || wanted.includes(name))
  if (names.length === 0) throw new Error(`There is no such runtime here; there are ${all.join(', ')}.`)
  return names
}

/** Installs those that are missing. */
export async function installRuntimes(names: readonly string[]): Promise<void> {
  const file = join(home, 'package.json')
  const dependencies = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).dependencies : {}
  const missing = names.filter(name => !existsSync(join(home, 'node_modules', name)))
  if (missing.length === 0) return
  mkdirSync(home, { recursive: true })
  for (const name of missing) dependencies[name] = VERSIONS[name]
  writeFileSync(file, JSON.stringify({ private: true, dependencies }))
  console.log(`installing ${missing.join(', ')} …`)
  await promisify(execFile)('npm', ['install', '--no-audit', '--no-fund'], { cwd: home })
}

/** The program of an installed runtime. */
export function runtimeBinary(name: string): string {
  return join(home, 'node_modules', name, BINARIES[name] ?? 'bin/node')
}

export interface Listening {
  url: string
  stop(): Promise<void>
}

/**
 * Serves a bundled worker with workerd, without Node's compatibility. Its configuration is written beside it.
 *
 * @param secrets what the worker finds in its `env`, as `wrangler secret put` sets it
 */
export async function serveWorker(bundle: string, secrets: Record<string, string> = {}): Promise<Listening> {
  const port = await freePort()
  const config = join(dirname(bundle), `${basename(bundle)}.capnp`)
  const bindings = Object.entries(secrets).map(
    ([name, text]) => `(name = ${JSON.stringify(name)}, text = ${JSON.stringify(text)})`,
  )
  writeFileSync(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    # The apps ask themselves.
    (name = "internet", network = (allow = ["public", "private", "local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [(name = "worker.mjs", esModule = embed "${basename(bundle)}")],
  compatibilityDate = "2026-01-01",
  bindings = [${bindings}],
);
`,
  )
  return listening([runtimeBinary('workerd'), 'serve', config], `http://127.0.0.1:${port}`)
}

/** Runs a command that serves a URL. Resolves when it does. */
export async function listening([program, ...args]: string[], url: string, cwd?: string): Promise<Listening> {
  const server = spawn(program!, args, { stdio: ['ignore', 'inherit', 'inherit'], ...(cwd && { cwd }) })
  for (let tries = 0; tries < 200 && server.exitCode === null; tries++) {
    const answer = await fetch(url, { method: 'OPTIONS' }).catch(() => undefined)
    await answer?.body?.cancel()
    if (answer) return { url, stop: () => end(server) }
    // It takes a moment until it listens.
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  await end(server)
  throw new Error(`${basename(program!)} does not listen.`)
}

/** Ends a process, and waits until it has ended. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}
