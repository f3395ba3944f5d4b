// `pnpm test:runtimes`, or this file with the names of some: the adapter's cases on runtimes other than Node, with the stores that run everywhere.
// The probe app is bundled and served by the runtime; the cases drive it from here.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { runAdapterCases } from '@sess/conformance'
import {
  askedFor,
  end,
  installRuntimes,
  type Listening,
  runtimeBinary,
  serveWorker,
} from '@sess/test-fixtures/runtimes.ts'
import { build, type Plugin } from 'esbuild'

interface Runtime {
  /** What a bundler picks the platform's code by. */
  conditions: string[]
  /** What the platform itself does otherwise: the expectations that fail there, with the reason. */
  differs?: Record<string, string>
  serve(bundle: string): Promise<Listening>
}

const RUNTIMES: Record<string, Runtime> = {
  bun: { conditions: ['bun', 'node'], serve: bundle => serveProgram('bun', [bundle]) },
  deno: {
    conditions: ['deno', 'node'],
    serve: bundle => serveProgram('deno', ['run', '--allow-net=127.0.0.1', '--allow-env', bundle]),
  },
  workerd: {
    conditions: ['workerd', 'worker'],
    serve: serveWorker,
    differs: {
      'whether the user is found among several Cookie headers to be true':
        "workerd joins several Cookie headers of HTTP/1.1 with a comma before any code sees them; Cloudflare's edge, in front of it, with a semicolon",
    },
  },
}

/** The probe's fixtures open stores and sleep with Node; here the store is given and the timer is the web's. */
const withoutNode: Plugin = {
  name: 'without-node',
  setup(build) {
    build.onResolve({ filter: /\/probe-stores\.ts$|^node:timers\/promises$/ }, ({ path }) => {
      return { path, namespace: 'web' }
    })
    build.onLoad({ filter: /.*/, namespace: 'web' }, () => ({
      contents: `export const setTimeout = ms => new Promise(resolve => globalThis.setTimeout(resolve, ms))
export const openStore = () => { throw new Error('The store is given.') }`,
    }))
  },
}

const names = askedFor(Object.keys(RUNTIMES))
await installRuntimes(names)
const scratch = mkdtempSync(join(tmpdir(), 'sess-runtimes-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))

let bad = 0
for (const name of names) {
  for (const store of ['cache', 'encrypted-cookie']) {
    const served = await RUNTIMES[name]!.serve(await bundle(name, store))
    const report = await runAdapterCases(served.url)
    await served.stop()
    const { passed, skipped, results } = report
    const differs = { ...RUNTIMES[name]!.differs }
    const failures = results.filter(({ status, expected = '' }) => {
      if (status !== 'failed') return false
      if (!differs[expected]) return true
      console.log(`  differs on ${name}: ${differs[expected]}`)
      delete differs[expected]
      return false
    })
    // What a platform has learned is no difference any more.
    const learned = Object.keys(differs)
    bad += failures.length + learned.length
    console.log(
      `h3 on ${name}, ${store}: ${passed} passed, ${failures.length} failed, ${skipped} do not apply`,
    )
    for (const { id, expected, happened } of failures)
      console.log(`  ${id}: expected ${expected}; ${happened}`)
    for (const expected of learned) console.log(`  no longer differs: ${expected}`)
  }
}
process.exitCode = bad === 0 ? 0 : 1

async function bundle(name: string, store: string): Promise<string> {
  const outfile = join(scratch, `${name}-${store}.mjs`)
  const { conditions } = RUNTIMES[name]!
  await build({
    entryPoints: [join(import.meta.dirname, `${name}.ts`)],
    outfile,
    bundle: true,
    format: 'esm',
    target: 'es2023',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions,
    // Core's crypto and lru-cache where there is Node's. Anything else of Node's is an error of the bundler.
    external: conditions.includes('node') ? ['node:crypto', 'node:zlib', 'node:diagnostics_channel'] : [],
    define: { STORE: JSON.stringify(store) },
    plugins: [withoutNode],
    logLevel: 'error',
  })
  return outfile
}

async function serveProgram(name: string, args: string[]): Promise<Listening> {
  const child = spawn(runtimeBinary(name), args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit').then(() => {
    throw new Error(`${name} ended before it listened.`)
  })
  const [line] = await Promise.race([once(createInterface(child.stdout), 'line'), ended])
  ended.catch(() => undefined)
  return { url: String(line).replace('listening on ', ''), stop: () => end(child) }
}
