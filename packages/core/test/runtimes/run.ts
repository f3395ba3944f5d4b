// `pnpm test:runtimes [name …]`: core's cases on every runtime we support, each installed from npm into a folder that
// git ignores. vitest does not run in all of them, so the cases are bundled and run by themselves.
import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build, type Plugin } from 'esbuild'
import type { Outcome } from './cases.ts'

const RUNTIMES: Record<
  string,
  { version: string; run: (bundles: Bundles, bin: string) => Promise<Outcome> }
> = {
  'node-22.13': { version: 'npm:node@22.13.0', run: asProgram('bin/node') },
  'node-22': { version: 'npm:node@22', run: asProgram('bin/node') },
  'node-24': { version: 'npm:node@24', run: asProgram('bin/node') },
  'node-26': { version: 'npm:node@26', run: asProgram('bin/node') },
  bun: { version: '1.4.5', run: asProgram('bin/bun.exe') },
  deno: { version: '2.9.6', run: asProgram('deno', 'run', '--allow-env', '--allow-read') },
  workerd: { version: '1.20261117.1', run: asWorker },
}

interface Bundles {
  program: string
  worker: string
}

/** The conformance package also drives adapters, from Node; in a worker nothing of Node is there, and nobody calls that. */
const withoutNode: Plugin = {
  name: 'without-node',
  setup(build) {
    build.onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: 'absent' }))
    build.onLoad({ filter: /.*/, namespace: 'absent' }, () => ({ contents: 'module.exports = {}' }))
  },
}

const home = join(import.meta.dirname, '../../../../node_modules/.cache/runtimes')
const wanted = process.argv.slice(2)
const names = Object.keys(RUNTIMES).filter(name => wanted.length === 0 || wanted.includes(name))
if (names.length === 0)
  throw new Error(`There is no such runtime; there are ${Object.keys(RUNTIMES).join(', ')}.`)

await install(names)
const scratch = mkdtempSync(join(tmpdir(), 'sess-runtimes-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
const bundles = await bundle(scratch)
let bad = 0
for (const name of names) {
  const outcome = await RUNTIMES[name]!.run(bundles, join(home, 'node_modules', name)).catch(
    (error: unknown): Outcome => ({ passed: 0, failed: 1, skipped: 0, failures: [String(error)] }),
  )
  bad += outcome.failed
  console.log(
    `${name.padEnd(11)} ${outcome.passed} passed, ${outcome.failed} failed, ${outcome.skipped} do not apply`,
  )
  for (const failure of outcome.failures) console.log(`  ${failure}`)
}
process.exitCode = bad === 0 ? 0 : 1

async function install(names: string[]): Promise<void> {
  const file = join(home, 'package.json')
  const dependencies = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).dependencies : {}
  const missing = names.filter(name => !existsSync(join(home, 'node_modules', name)))
  if (missing.length === 0) return
  mkdirSync(home, { recursive: true })
  for (const name of missing) dependencies[name] = RUNTIMES[name]!.version
  writeFileSync(file, JSON.stringify({ private: true, dependencies }))
  console.log(`installing ${missing.join(', ')} …`)
  await promisify(execFile)('npm', ['install', '--no-audit', '--no-fund'], { cwd: home })
}

async function bundle(outdir: string): Promise<Bundles> {
  const here = import.meta.dirname
  const common = {
    bundle: true,
    format: 'esm',
    target: 'es2023',
    logLevel: 'error',
    outdir,
    outExtension: { '.js': '.mjs' },
  } as const
  await build({ ...common, entryPoints: [join(here, 'main.ts')], platform: 'node' })
  await build({
    ...common,
    entryPoints: [join(here, 'worker.ts')],
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['workerd', 'worker'],
    plugins: [withoutNode],
  })
  return { program: join(outdir, 'main.mjs'), worker: join(outdir, 'worker.mjs') }
}

function asProgram(bin: string, ...args: string[]) {
  return async ({ program }: Bundles, folder: string): Promise<Outcome> => {
    const { stdout } = await promisify(execFile)(join(folder, bin), [...args, program], {
      timeout: 120_000,
      maxBuffer: 1 << 24,
    })
    return JSON.parse(stdout.trim().split('\n').at(-1)!) as Outcome
  }
}

async function asWorker({ worker }: Bundles, folder: string): Promise<Outcome> {
  const port = await freePort()
  const config = join(scratch, 'config.capnp')
  writeFileSync(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .main)],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [(name = "worker.mjs", esModule = embed "${worker.slice(scratch.length + 1)}")],
  compatibilityDate = "2026-01-01",
);
`,
  )
  const server = spawn(join(folder, 'bin/workerd'), ['serve', config], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  try {
    for (let tries = 0; ; tries++) {
      try {
        return (await (await fetch(`http://127.0.0.1:${port}/`)).json()) as Outcome
      } catch (error) {
        // It takes a moment until it listens.
        if (tries === 100 || server.exitCode !== null) throw error
        await new Promise(resolve => setTimeout(resolve, 50))
      }
    }
  } finally {
    server.kill('SIGKILL')
  }
}

function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
