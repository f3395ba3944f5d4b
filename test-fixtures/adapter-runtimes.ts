import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { runAdapterCases } from '@sess/conformance'
import { build, type Plugin } from 'esbuild'
import { askedFor, end, installRuntimes, type Listening, runtimeBinary, serveWorker } from './runtimes.ts'

interface Runtime {
  /** What a bundler picks the platform's code by. */
  conditions: string[]
  /** The program: it serves `app.fetch` of the file `./app.ts`. */
  entry: string
  /** What the platform itself does otherwise: the expectations that fail there, with the reason. */
  differs?: Record<string, string>
  serve(bundle: string): Promise<Listening>
}

const RUNTIMES: Record<string, Runtime> = {
  bun: {
    conditions: ['bun', 'node'],
    entry: `import { app } from './app.ts'
const websocket = { message: (socket, text) => socket.send(text) }
const { port } = Bun.serve({ hostname: '127.0.0.1', port: 0, websocket, fetch: (request, server) => app.fetch(request, server) })
console.log('listening on http://127.0.0.1:' + port)`,
    serve: bundle => serveProgram('bun', [bundle]),
  },
  deno: {
    conditions: ['deno', 'node'],
    entry: `import { app } from './app.ts'
const onListen = ({ port }) => console.log('listening on http://127.0.0.1:' + port)
Deno.serve({ hostname: '127.0.0.1', port: 0, onListen }, request => app.fetch(request))`,
    serve: bundle => serveProgram('deno', ['run', '--allow-net=127.0.0.1', '--allow-env', bundle]),
  },
  workerd: {
    conditions: ['workerd', 'worker'],
    entry: `import { app } from './app.ts'
export default { fetch: request => app.fetch(request) }`,
    serve: serveWorker,
    differs: {
      'whether the user is found among several Cookie headers to be true':
        "workerd joins several Cookie headers of HTTP/1.1 with a comma before any code sees them; Cloudflare's edge, in front of it, with a semicolon",
    },
  },
}

// Core's crypto and lru-cache where there is Node's. Anything else of Node's is an error of the bundler.
const NODE_MODULES = ['node:crypto', 'node:zlib', 'node:v8', 'node:diagnostics_channel']

const PROBE_ROUTES = join(import.meta.dirname, '../packages/conformance/src/probe-routes.ts')

/**
 * The probe's fixtures open stores and sleep with Node; here the store is given and the timer is the web's. The routes are
 * all that a probe app needs of the suite, which runs on Node.
 */
const withoutNode: Plugin = {
  name: 'without-node',
  setup(build) {
    build.onResolve({ filter: /\/probe-stores\.ts$|^node:timers\/promises$/ }, ({ path }) => {
      return { path, namespace: 'web' }
    })
    build.onResolve({ filter: /^@sess\/conformance$/ }, () => ({ path: PROBE_ROUTES }))
    build.onLoad({ filter: /.*/, namespace: 'web' }, () => ({
      contents: `export const setTimeout = ms => new Promise(resolve => globalThis.setTimeout(resolve, ms))
export const openStore = () => { throw new Error('The store is given.') }`,
    }))
  },
}

/**
 * Runs the adapter's cases on runtimes other than Node, with the stores that run everywhere. The probe app is bundled and
 * served by the runtime; the cases drive it from here. Sets the process's exit code.
 *
 * @param name of the adapter, for the report
 * @param folder with `app.ts`, which exports `app`: `{ fetch(request, server) }`
 * @param check more than the cases: gets the URL, and returns what is wrong
 * @param differing what the framework does otherwise on a runtime, as `Runtime.differs`
 */
export async function runOnRuntimes(
  name: string,
  folder: string,
  check: (url: string, runtime: string, store: string) => Promise<string[]> = async () => [],
  differing: Record<string, Record<string, string>> = {},
): Promise<void> {
  const names = askedFor(Object.keys(RUNTIMES))
  await installRuntimes(names)
  const scratch = mkdtempSync(join(tmpdir(), 'sess-runtimes-'))
  process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
  let bad = 0
  for (const runtime of names) {
    for (const store of ['cache', 'encrypted-cookie']) {
      const served = await RUNTIMES[runtime]!.serve(await bundle(folder, scratch, runtime, store))
      const { passed, skipped, results } = await runAdapterCases(served.url)
      const wrong = await check(served.url, runtime, store)
      await served.stop()
      const differs = { ...RUNTIMES[runtime]!.differs, ...differing[runtime] }
      for (const { id, status, expected = '', happened } of results) {
        if (status !== 'failed') continue
        if (differs[expected]) console.log(`  differs on ${runtime}: ${differs[expected]}`)
        else wrong.push(`${id}: expected ${expected}; ${happened}`)
        delete differs[expected]
      }
      // What a platform has learned is no difference any more.
      wrong.push(...Object.keys(differs).map(expected => `no longer differs: ${expected}`))
      bad += wrong.length
      console.log(
        `${name} on ${runtime}, ${store}: ${passed} passed, ${wrong.length} wrong, ${skipped} do not apply`,
      )
      for (const line of wrong) console.log(`  ${line}`)
    }
  }
  process.exitCode = bad === 0 ? 0 : 1
}

async function bundle(folder: string, scratch: string, runtime: string, store: string): Promise<string> {
  const outfile = join(scratch, `${runtime}-${store}.mjs`)
  const { conditions, entry } = RUNTIMES[runtime]!
  await build({
    stdin: { contents: entry, resolveDir: folder, loader: 'js' },
    outfile,
    bundle: true,
    format: 'esm',
    target: 'es2023',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions,
    external: conditions.includes('node') ? NODE_MODULES : [],
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
