// The probe app as a server of Nitro 2, built for production by `nitropack build` and run: `pnpm campaign nitro`. The adapter
// cases drive it with sessions in memory and in cookies. Installs nitropack below node_modules/.cache.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { runAdapterCases } from '@sess/conformance'
import { end } from '@sess/test-fixtures/runtimes.ts'
import { freePort } from '@sess/test-fixtures/servers'
import { build } from 'esbuild'

const NITRO = 'nitropack@^2.13.6'
const exec = promisify(execFile)
const home = join(import.meta.dirname, '../../../node_modules/.cache/nitro')
if (!existsSync(join(home, 'node_modules/nitropack'))) {
  mkdirSync(home, { recursive: true })
  writeFileSync(join(home, 'package.json'), '{ "private": true }')
  console.log(`installing ${NITRO} …`)
  await exec('npm', ['install', '--no-audit', '--no-fund', NITRO], { cwd: home })
}
const app = mkdtempSync(join(home, 'app-'))
process.on('exit', () => rmSync(app, { recursive: true, force: true }))

const write = (path: string, text: string): void => {
  mkdirSync(join(app, path, '..'), { recursive: true })
  writeFileSync(join(app, path), text)
}
write(
  'nitro.config.mjs',
  "export default { preset: 'node-server', srcDir: 'server', compatibilityDate: '2026-01-01', errorHandler: './error.mjs' }",
)
write(
  'error.mjs',
  `export default (error, { path, node }) => {
  const mapped = new URL(path, 'http://probe').searchParams.get('mapped')
  if (mapped === null) return
  node.res.statusCode = Number(mapped)
  node.res.end(error.message)
}`,
)
write('server/middleware/session.mjs', "export { middleware as default } from '../../probe.mjs'")
write('server/routes/[...].mjs', "export { handler as default } from '../../probe.mjs'")
await build({
  stdin: {
    contents: `import { createSessions } from '@sess/core'
import { session } from '@sess/h3-v1'
import { cacheStore } from '@sess/store-cache'
import { encryptedCookieStore } from '@sess/store-cookie'
import { eventHandler } from 'h3'
import { probeHandler } from './probe-app.ts'
const secret = 'a secret of the probe apps, which nobody should use'
const sessions = createSessions(
  process.env.STORE === 'cache' ? { store: cacheStore() } : { store: encryptedCookieStore(), secret },
)
export const middleware = session(sessions)
export const handler = eventHandler(probeHandler(sessions))`,
    resolveDir: join(import.meta.dirname, '../test'),
    loader: 'ts',
  },
  outfile: join(app, 'probe.mjs'),
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node22',
  external: ['h3'],
  banner: {
    js: "import { createRequire } from 'node:module'\nconst require = createRequire(import.meta.url)",
  },
  alias: { '@sess/conformance': join(import.meta.dirname, '../../conformance/src/probe-routes.ts') },
})
await exec(process.execPath, [join(home, 'node_modules/nitropack/dist/cli/index.mjs'), 'build'], { cwd: app })

let failed = 0
for (const store of ['cache', 'encrypted-cookie']) {
  const port = await freePort()
  const server = spawn(process.execPath, ['.output/server/index.mjs'], {
    cwd: app,
    env: { ...process.env, PORT: String(port), HOST: '127.0.0.1', STORE: store },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await once(server.stdout, 'data')
  const report = await runAdapterCases(`http://127.0.0.1:${port}`)
  await end(server)
  failed += report.failed
  console.log(
    `Nitro 2, ${store}: ${report.passed} passed, ${report.failed} failed, ${report.skipped} do not apply`,
  )
  for (const { id, status, expected, happened } of report.results) {
    if (status === 'failed') console.log(`  ${id}: expected ${expected}; ${happened}`)
  }
}
process.exitCode = failed === 0 ? 0 : 1
