import { readFile, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { defineConfig } from 'tsup'
import { codeExports, readManifest } from './scripts/workspace.ts'

// Every package is built by this one file, from its own folder: `scripts/build.ts` calls it. The entries are
// what the package's manifest names, so that `exports` is the only list to keep.
const manifest = readManifest(process.cwd())
const exported = codeExports(manifest).map(([, source]) => source)
const conditional = Object.values(manifest.imports ?? {}).flatMap(targets => Object.values(targets))
const commands = Object.values(manifest.bin ?? {})

// A command loads all of Kysely before it does anything: 300 files, a third of a second. In one file it is a twentieth.
// Its licence comes along, in THIRD-PARTY-LICENSES.
const bundled = manifest.name === '@sess/cli' ? [/^@sess\/store-sql/, /^kysely/] : []

// @sess/express-session is what `require('express-session')` returns, so it is CommonJS alone and a function. An ESM copy
// of its classes would not be the same classes. Its types are written by hand, because TypeScript makes no `export =`.
const isCommonJs = manifest.name === '@sess/express-session'

export default defineConfig({
  entry: byName([...exported, ...conditional, ...commands]),
  format: isCommonJs ? ['cjs'] : ['esm', 'cjs'],
  ...(isCommonJs && { onSuccess: () => exportFunction('dist/index.cjs') }),
  target: ['node22', 'es2023'],
  platform: 'node',
  // A class must be one class, whichever entry it was imported from.
  splitting: true,
  // `#name` is looked up in `imports` of the published manifest: bundled, the condition would be lost.
  external: [/^#/, /^bun:/],
  noExternal: bundled,
  removeNodeProtocol: false,
  clean: true,
  // CommonJS goes through Rollup, then; what tsup does to split it otherwise breaks private methods.
  treeshake: true,
  silent: true,
})

/**
 * Makes the function itself `module.exports`, with nothing that marks it as a translated ES module: bundlers would look for
 * its `default`. Not as a `footer`, because Rollup would put it before the exports.
 */
async function exportFunction(file: string): Promise<void> {
  const code = await readFile(file, 'utf8')
  const plain = code.replace(
    /^(?:Object\.defineProperty\(exports, '__esModule'|exports\.default = ).*\n/gm,
    '',
  )
  await writeFile(file, `${plain}\nmodule.exports = exports['module.exports'];\n`)
}

function byName(sources: string[]): Record<string, string> {
  return Object.fromEntries(sources.map(source => [basename(source, '.ts'), source]))
}
