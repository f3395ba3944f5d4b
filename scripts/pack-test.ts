// Installs the tarballs of all packages with npm into an empty folder, as a user would, and there imports every
// entry as ESM and as CommonJS, compares what it exports with `exports.json`, and type-checks against it.
// `--update` writes `exports.json` anew.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import ts from 'typescript'
import { packAll } from './pack.ts'
import { checkAlias } from './pack-alias.ts'
import { run, runOrThrow } from './run.ts'
import { codeExports, type Package, readManifest, root, specifier } from './workspace.ts'

type Origin = { repository: { url?: string; directory?: string }; homepage: string; bugs: { url?: string } }
type Names = { values: string[]; types: string[] }

/** Entries that only their own test runner can load; their types are checked all the same. */
const BOUND_TO_A_RUNNER = ['@sess/conformance/vitest', '@sess/conformance/bun-test']
/** Declares another `req.session` than the other packages for Express, so its types are checked in a program of its own. */
const APART = '@sess/express-session'
/** Packages whose types must do without those of Node. */
const PORTABLE = [
  '@sess/core',
  '@sess/fetch',
  '@sess/h3',
  '@sess/hono',
  '@sess/store-cookie',
  '@sess/store-cache',
]

const ADVICE = ' (if that is meant: pnpm pack:test --update, and a changeset)'
/** Prints the names of each entry, and the values that two packages both export. */
const REPORT = `
function report(loaded) {
  const exported = {}, owners = new Map(), shared = []
  for (const [entry, module] of loaded) {
    const isCommonJs = module['module.exports'] !== undefined && module['module.exports'] === module.default
    const ours = ['__esModule', 'module.exports', ...(isCommonJs && typeof module.default === 'function' ? ['default'] : [])]
    const names = Object.keys(module).filter(name => !ours.includes(name)).sort()
    exported[entry] = names
    const owner = entry.split('/').slice(0, 2).join('/')
    for (const name of names) {
      const value = module[name]
      if (value === null || (typeof value !== 'object' && typeof value !== 'function')) continue
      if (owners.has(value) && owners.get(value) !== owner) shared.push(entry + ' re-exports ' + name + ' of ' + owners.get(value))
      owners.set(value, owner)
    }
  }
  console.log(JSON.stringify({ exported, shared }))
}`

const snapshotFile = join(root, 'scripts/exports.json')
const problems: string[] = []
const packages = await packAll()
const entries = packages.flatMap(({ name, manifest }) =>
  codeExports(manifest).map(([subpath]) => specifier(name, subpath)),
)
const folder = mkdtempSync(join(tmpdir(), 'sess-packed-'))
try {
  await install()
  const names = checkTypes()
  await checkImports(names)
  await checkCommands()
  checkOrigin()
  await compareWithSnapshot(names)
  problems.push(...(await checkAlias(packages)))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
for (const problem of problems) console.log(problem)
console.log(
  `${packages.length} packages with ${entries.length} entries installed by npm, ${problems.length} problems`,
)
process.exitCode = problems.length === 0 ? 0 : 1

async function install(): Promise<void> {
  const dependencies: Record<string, string> = {
    '@types/node': readManifest(root).devDependencies!['@types/node']!,
  }
  for (const { name, manifest, tarball } of packages) {
    for (const peer of Object.keys(manifest.peerDependencies ?? {}))
      dependencies[peer] = versionOf(peer, manifest)
    for (const [types, version] of Object.entries(manifest.devDependencies ?? {})) {
      if (types.startsWith('@types/')) dependencies[types] = version
    }
    dependencies[name] = `file:${tarball}`
  }
  write('package.json', JSON.stringify({ private: true, dependencies }))
  await runOrThrow(
    'npm',
    [
      'install',
      '--prefer-offline',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--no-package-lock',
      '--loglevel=error',
    ],
    { cwd: folder },
  )
}

/** The version that the workspace itself is tested with. */
function versionOf(peer: string, manifest: Package['manifest']): string {
  const devDependencies = { ...readManifest(root).devDependencies, ...manifest.devDependencies }
  return devDependencies[peer] ?? manifest.peerDependencies![peer]!
}

function checkTypes(): Map<string, Names> {
  const together = entries.filter(entry => entry !== APART)
  const esm = together
    .map((entry, index) => `import * as entry${index} from '${entry}'\nexport { entry${index} }`)
    .join('\n')
  const cjs = together
    .map((entry, index) => `import entry${index} = require('${entry}')\nexport { entry${index} }`)
    .join('\n')
  const portable = esm
    .split('\n')
    .filter(
      line => PORTABLE.some(name => line.includes(`'${name}'`) || line.includes(`'${name}/`)) || line === '',
    )
    .join('\n')
  const nodenext = { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext }
  const bundler = { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler }
  const lib = ['lib.es2023.d.ts']
  const found = exportedNames(
    typeCheck('nodenext, ESM', 'esm.mts', esm, { ...nodenext, lib, types: ['node'] }),
  )
  typeCheck('nodenext, CommonJS', 'cjs.cts', cjs, { ...nodenext, lib, types: ['node'] })
  typeCheck('bundler', 'bundled.ts', esm, { ...bundler, lib, types: ['node'] })
  typeCheck('bundler, without Node', 'portable.ts', portable, {
    ...bundler,
    lib: [...lib, 'lib.dom.d.ts'],
    types: [],
  })
  const apart = [
    `import * as entry from '${APART}'\nexport { entry }`,
    `import entry = require('${APART}')\nexport { entry }`,
  ] as const
  const own = typeCheck('nodenext, ESM, apart', 'apart.mts', apart[0], { ...nodenext, lib, types: ['node'] })
  typeCheck('nodenext, CommonJS, apart', 'apart.cts', apart[1], { ...nodenext, lib, types: ['node'] })
  typeCheck('bundler, apart', 'apart.ts', apart[0], { ...bundler, lib, types: ['node'] })
  return new Map([...found, ...exportedNames(own, 'apart.mts')])
}

/** Type-checks one file and whatever of ours it leads to: `skipLibCheck` is off, but others' slips are theirs. */
function typeCheck(what: string, file: string, text: string, options: ts.CompilerOptions): ts.Program {
  write(file, text)
  const program = ts.createProgram([join(folder, file)], {
    ...options,
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    target: ts.ScriptTarget.ES2023,
    typeRoots: [join(folder, 'node_modules/@types')],
  })
  const ours = program.getSourceFiles().filter(({ fileName }) => {
    return fileName === join(folder, file) || fileName.includes('/node_modules/@sess/')
  })
  if (ours.length < 2) problems.push(`${what}: no types of ours were loaded`)
  const diagnostics = [
    ...program.getOptionsDiagnostics(),
    ...ours.flatMap(source => [
      ...program.getSyntacticDiagnostics(source),
      ...program.getSemanticDiagnostics(source),
    ]),
  ]
  for (const diagnostic of diagnostics) {
    const where = diagnostic.file ? relative(folder, diagnostic.file.fileName) : ''
    problems.push(`${what}: ${where} ${ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n')}`)
  }
  return program
}

function exportedNames(program: ts.Program, file = 'esm.mts'): Map<string, Names> {
  const checker = program.getTypeChecker()
  const source = program.getSourceFile(join(folder, file))!
  const found = new Map<string, Names>()
  for (const statement of source.statements) {
    if (!ts.isImportDeclaration(statement) || !ts.isStringLiteral(statement.moduleSpecifier)) continue
    const module = checker.getSymbolAtLocation(statement.moduleSpecifier)
    if (!module) continue
    const names: Names = { values: [], types: [] }
    for (const symbol of checker.getExportsOfModule(module)) {
      const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
      const isValue = target.flags & ts.SymbolFlags.Value && !isTypeOnly(symbol)
      names[isValue ? 'values' : 'types'].push(symbol.name)
    }
    found.set(statement.moduleSpecifier.text, { values: names.values.sort(), types: names.types.sort() })
  }
  return found
}

function isTypeOnly(symbol: ts.Symbol): boolean {
  return (symbol.declarations ?? []).some(
    declaration => ts.isExportSpecifier(declaration) && ts.isTypeOnlyExportDeclaration(declaration),
  )
}

async function checkImports(names: Map<string, Names>): Promise<void> {
  const loadable = entries.filter(entry => !BOUND_TO_A_RUNNER.includes(entry))
  const list = JSON.stringify(loadable)
  write(
    'load.mjs',
    `${REPORT}\nconst all = []\nfor (const e of ${list}) all.push([e, await import(e)])\nreport(all)`,
  )
  write('load.cjs', `${REPORT}\nreport(${list}.map(e => [e, require(e)]))`)
  for (const [format, file] of [
    ['ESM', 'load.mjs'],
    ['CommonJS', 'load.cjs'],
  ] as const) {
    const { code, output } = await run(process.execPath, [file], { cwd: folder })
    const lines = output.split('\n').filter(line => line !== '')
    const report = lines.pop()
    if (code !== 0 || report === undefined || !report.startsWith('{')) {
      problems.push(`${format}: ${output}`)
      continue
    }
    // A warning at import time is printed by every server that uses the package.
    for (const line of lines) problems.push(`${format}: importing prints ${line}`)
    const { exported, shared } = JSON.parse(report) as {
      exported: Record<string, string[]>
      shared: string[]
    }
    for (const line of shared) problems.push(`${format}: ${line}`)
    for (const entry of loadable) {
      const expected = names.get(entry)?.values
      if (isDeepStrictEqual(exported[entry], expected)) continue
      problems.push(`${format}: ${entry} exports ${exported[entry]}; its types say ${expected}`)
    }
  }
}

async function checkCommands(): Promise<void> {
  for (const command of packages.flatMap(({ manifest }) => Object.keys(manifest.bin ?? {}))) {
    const { code, output } = await run(join(folder, 'node_modules/.bin', command), ['--help'], {
      cwd: folder,
    })
    if (code !== 0) problems.push(`${command} --help ended with ${code}: ${output}`)
  }
}

/** npm publishes a package with provenance only if it names its repository. */
function checkOrigin(): void {
  for (const { name, folder: source, manifest } of packages) {
    const packed = readManifest(join(folder, 'node_modules', name)) as Partial<Origin>
    const directory = `packages/${basename(source)}`
    if (!manifest.publishConfig?.provenance)
      problems.push(`${name}: publishConfig does not ask for provenance`)
    if (!packed.repository?.url?.startsWith('git+https://') || packed.repository.directory !== directory)
      problems.push(
        `${name}: its tarball has no repository in ${directory}: ${JSON.stringify(packed.repository)}`,
      )
    if (!packed.homepage || !packed.bugs?.url) problems.push(`${name}: its tarball lacks homepage or bugs`)
  }
}

async function compareWithSnapshot(names: Map<string, Names>): Promise<void> {
  const now = Object.fromEntries(entries.map(entry => [entry, names.get(entry) ?? { values: [], types: [] }]))
  if (process.argv.includes('--update')) {
    writeFileSync(snapshotFile, JSON.stringify(now))
    await runOrThrow(join(root, 'node_modules/.bin/biome'), ['format', '--write', snapshotFile])
    return
  }
  const before = JSON.parse(readFileSync(snapshotFile, 'utf8')) as Record<string, Names>
  for (const entry of new Set([...Object.keys(before), ...Object.keys(now)])) {
    for (const kind of ['values', 'types'] as const) {
      const old = new Set(before[entry]?.[kind])
      const fresh = new Set(now[entry]?.[kind])
      for (const name of old.difference(fresh)) problems.push(`${entry} no longer exports ${name}${ADVICE}`)
      for (const name of fresh.difference(old)) problems.push(`${entry} newly exports ${name}${ADVICE}`)
    }
  }
}

function write(file: string, text: string): void {
  writeFileSync(join(folder, file), text)
}
