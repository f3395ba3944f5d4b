// `pnpm test:runtimes`, or this file with the names of some: core's cases on every runtime we support, each installed from npm into a folder that
// git ignores. vitest does not run in all of them, so the cases are bundled and run by themselves.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build, type Plugin } from 'esbuild'
import { askedFor, installRuntimes, runtimeBinary, serveWorker } from '../../../../test-fixtures/runtimes.ts'
import type { Outcome } from './cases.ts'

const RUNTIMES: Record<string, (bundles: Bundles, name: string) => Promise<Outcome>> = {
  'node-22.13': asProgram(),
  'node-22': asProgram(),
  'node-24': asProgram(),
  'node-26': asProgram(),
  bun: asProgram(),
  deno: asProgram('run', '--allow-env', '--allow-read'),
  workerd: asWorker,
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

const names = askedFor(Object.keys(RUNTIMES))
await installRuntimes(names)
const scratch = mkdtempSync(join(tmpdir(), 'sess-runtimes-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
const bundles = await bundle(scratch)
let bad = 0
for (const name of names) {
  const outcome = await RUNTIMES[name]!(bundles, name).catch(
    (error: unknown): Outcome => ({ passed: 0, failed: 1, skipped: 0, failures: [String(error)] }),
  )
  bad += outcome.failed
  console.log(
    `${name.padEnd(11)} ${outcome.passed} passed, ${outcome.failed} failed, ${outcome.skipped} do not apply`,
  )
  for (const failure of outcome.failures) console.log(`  ${failure}`)
}
process.exitCode = bad === 0 ? 0 : 1

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

function asProgram(...args: string[]) {
  return async ({ program }: Bundles, name: string): Promise<Outcome> => {
    const { stdout } = await promisify(execFile)(runtimeBinary(name), [...args, program], {
      timeout: 120_000,
      maxBuffer: 1 << 24,
    })
    return JSON.parse(stdout.trim().split('\n').at(-1)!) as Outcome
  }
}

async function asWorker({ worker }: Bundles): Promise<Outcome> {
  const server = await serveWorker(worker)
  try {
    return (await (await fetch(server.url)).json()) as Outcome
  } finally {
    await server.stop()
  }
}
