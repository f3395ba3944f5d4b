/** Builds applications with every bundler, in a folder without drivers of databases. */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { build as esbuild } from 'esbuild'
import { build as vite } from 'vite'
import webpack from 'webpack'

const packages = join(import.meta.dirname, '../..')
const execute = promisify(execFile)

interface Manifest {
  dependencies?: Record<string, string>
  exports: Record<string, string>
  imports?: Record<string, Record<string, string>>
}

/**
 * Puts core and these stores into `node_modules` of the folder as they are published, without their optional peers. The
 * application brings its own client of Redis.
 */
export async function installStores(folder: string, stores: string[]): Promise<void> {
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, '@sess'), { recursive: true })
  for (const name of ['core', ...stores]) {
    const { dependencies = {} } = await installFromSource(join(modules, '@sess', name), join(packages, name))
    const others = Object.keys(dependencies).filter(dependency => !dependency.startsWith('@sess/'))
    for (const dependency of others) link(join(packages, name), dependency, modules)
  }
  if (stores.includes('store-redis')) link(join(packages, 'store-redis'), 'redis', modules)
}

/** A dependency of the package, from where the workspace has it. */
function link(source: string, name: string, modules: string): void {
  if (!existsSync(join(modules, name))) symlinkSync(join(source, 'node_modules', name), join(modules, name))
}

async function installFromSource(target: string, source: string): Promise<Manifest> {
  const manifest = createRequire(import.meta.url)(join(source, 'package.json')) as Manifest
  const { exports, imports = {} } = manifest
  const files = [
    ...Object.values(exports),
    ...Object.values(imports).flatMap(targets => Object.values(targets)),
  ]
  await esbuild({
    entryPoints: files.filter(file => file.endsWith('.ts')).map(file => join(source, file)),
    outdir: join(target, 'dist'),
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    external: ['#*'],
    logLevel: 'error',
  })
  const built = (file: string) => file.replace('./src/', './dist/').replace(/\.ts$/, '.js')
  const published = {
    ...manifest,
    exports: Object.fromEntries(Object.entries(exports).map(([name, file]) => [name, built(file)])),
    imports: Object.fromEntries(
      Object.entries(imports).map(([name, targets]) => [
        name,
        Object.fromEntries(Object.entries(targets).map(([condition, file]) => [condition, built(file)])),
      ]),
    ),
  }
  writeFileSync(join(target, 'package.json'), JSON.stringify(published))
  return manifest
}

/** Each builds `entry` of `folder` for Node and returns the file to run. Rejects if the build has an error. */
export const bundlers = {
  async esbuild(folder: string, entry: string): Promise<string> {
    const outfile = join(folder, `${basename(entry, '.mjs')}.esbuild.mjs`)
    // For the CommonJS among the packages.
    const banner = {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    }
    const entryPoints = [join(folder, entry)]
    await esbuild({
      entryPoints,
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      banner,
      logLevel: 'silent',
    })
    return outfile
  },

  async webpack(folder: string, entry: string): Promise<string> {
    const filename = `${basename(entry, '.mjs')}.webpack.cjs`
    const compiler = webpack({
      mode: 'production',
      target: 'node',
      context: folder,
      entry: `./${entry}`,
      output: { path: folder, filename },
      optimization: { minimize: false },
    })
    const stats = await promisify(compiler!.run.bind(compiler))()
    await promisify(compiler!.close.bind(compiler))()
    const errors = stats?.compilation.errors ?? []
    if (errors.length > 0) throw new Error(errors.map(({ message }) => message).join('\n'))
    return join(folder, filename)
  },

  async vite(folder: string, entry: string): Promise<string> {
    const outDir = join(folder, `${basename(entry, '.mjs')}.vite`)
    await vite({
      configFile: false,
      root: folder,
      logLevel: 'silent',
      build: { ssr: entry, outDir, rolldownOptions: { output: { entryFileNames: 'app.mjs' } } },
      ssr: { noExternal: true, target: 'node' },
    })
    return join(outDir, 'app.mjs')
  },
}

/** An application of the stores in `@sess/store-sql`, imported as the README does. */
export const SQL_APP = `import { createSessions } from '@sess/core'
import { mysqlStore, postgresStore, sqliteStore } from '@sess/store-sql'
${roundTrip()}
console.log(JSON.stringify({
  sqlite: await attempt({ store: sqliteStore(':memory:') }),
  mysql: await attempt({ store: mysqlStore('mysql://root@127.0.0.1:1/none') }),
  postgres: await attempt({ store: postgresStore('postgres://postgres@127.0.0.1:1/none') }),
}))
`

/** Source of `attempt(options)`: saves a word, and returns what the next request reads, or the error message. */
export function roundTrip(): string {
  return `
async function roundTrip(options) {
  const sessions = createSessions(options)
  const first = sessions.open()
  await first.load()
  first.set('word', 'kept')
  const { setCookies } = await sessions.commit(first, { status: 200 })
  const second = sessions.open(setCookies.map(cookie => cookie.split(';')[0]).join('; '))
  await second.load()
  const word = second.get('word')
  await sessions.close()
  return word
}
const attempt = options => roundTrip(options).catch(error => error.message)
`
}

/** Runs a built application and returns what it printed. */
export async function run(file: string, ...args: string[]): Promise<Record<string, string>> {
  const { stdout } = await execute(process.execPath, [file, ...args], { env: { PATH: process.env['PATH'] } })
  return JSON.parse(stdout) as Record<string, string>
}
