// The tarball of `@sess/express-session` under the name `express-session`, where `npm install
// express-session@npm:@sess/express-session` puts it: an app that was written for express-session compiles and runs.
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ts from 'typescript'
import type { Packed } from './pack.ts'
import { run, runOrThrow } from './run.ts'
import { readManifest, root } from './workspace.ts'

const FACADE = '@sess/express-session'
const APP = 'aliased.cts'
const PRINTED = '{"cookie":"connect.sid","visits":["first","second","third"]}'

/** Returns what is wrong. */
export async function checkAlias(packages: readonly Packed[]): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'sess-alias-'))
  try {
    const facade = packages.find(({ name }) => name === FACADE)!
    await install(folder, facade, packages)
    copyFileSync(join(facade.folder, 'test/consumer', APP), join(folder, APP))
    const problems = compile(folder)
    const { code, output } = await run(process.execPath, ['aliased.cjs'], { cwd: folder })
    if (code !== 0 || output.trim() !== PRINTED) problems.push(`it ended with ${code} and printed ${output}`)
    return problems.map(problem => `express-session as an alias: ${problem}`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function install(folder: string, facade: Packed, packages: readonly Packed[]): Promise<void> {
  const { devDependencies = {} } = facade.manifest
  const dependencies: Record<string, string> = {
    'express-session': `file:${facade.tarball}`,
    express: devDependencies['express']!,
    '@types/express': devDependencies['@types/express']!,
    '@types/node': readManifest(root).devDependencies!['@types/node']!,
  }
  for (const { name, tarball } of packages) {
    if (['@sess/core', '@sess/node', '@sess/store-cache'].includes(name))
      dependencies[name] = `file:${tarball}`
  }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies }))
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error']
  await runOrThrow('npm', ['install', '--prefer-offline', ...quiet], { cwd: folder })
}

/** Writes the app as JavaScript. Returns what TypeScript says of it. */
function compile(folder: string): string[] {
  const program = ts.createProgram([join(folder, APP)], {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    strict: true,
    skipLibCheck: true,
    types: ['node'],
    typeRoots: [join(folder, 'node_modules/@types')],
  })
  program.emit()
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
}
