import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type ProgramOptions, runProgram } from '@sess/test-fixtures/program.ts'

const root = join(import.meta.dirname, '../../..')

/** The files of a page of `docs`: its code blocks with a name. */
export function filesOf(page: string): Map<string, string> {
  const text = readFileSync(join(root, 'docs', page), 'utf8')
  return new Map(
    [...text.matchAll(/^```\w+ file=(\S+)\n([\s\S]*?)^```$/gm)].map(found => [found[1]!, found[2]!]),
  )
}

/** Where the packages of the guides are installed. */
export const installed = join(import.meta.dirname, '../node_modules')

/** A folder with files, which finds the packages of the guides. `using` removes it. */
export function folderWith(files: Iterable<readonly [string, string]>): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'sess-guide-'))
  writeFileSync(join(path, 'package.json'), '{ "type": "module" }')
  link(installed, join(path, 'node_modules'))
  for (const [name, text] of files) {
    mkdirSync(dirname(join(path, name)), { recursive: true })
    writeFileSync(join(path, name), text)
  }
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

/** Makes a folder appear at another place. */
export function link(folder: string, at: string): void {
  mkdirSync(dirname(at), { recursive: true })
  symlinkSync(folder, at, 'dir')
}

/** Compiles the TypeScript of a folder as NestJS does, with its decorators, and returns what is wrong with it. */
export function compile(folder: string): string {
  const compilerOptions = {
    target: 'es2023',
    lib: ['es2024', 'dom'],
    module: 'nodenext',
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noImplicitOverride: true,
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
    allowImportingTsExtensions: true,
    rewriteRelativeImportExtensions: true,
    skipLibCheck: true,
    // A reader has one copy, and here there is one for each version of NestJS.
    paths: { fastify: [join(installed, 'fastify')] },
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['**/*.ts'] }))
  const tsc = join(root, 'node_modules/typescript-native/bin/tsc')
  return spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' }).stdout
}

export interface Started extends AsyncDisposable {
  url: string
  /** What it has written to stdout and stderr. */
  output(): string
  stop(): Promise<void>
}

/** Runs a program that prints `listening on http://…`, on a free port. `await using` ends it. */
export async function start(
  folder: string,
  file: string,
  { command, env }: Pick<ProgramOptions, 'command' | 'env'> = {},
): Promise<Started> {
  const program = await runProgram(file, {
    ...(command && { command }),
    cwd: folder,
    env: { PORT: '0', NO_COLOR: '1', ...env },
  })
  const stop = async (): Promise<void> => {
    // Some servers would wait for the connections of browsers that are kept alive.
    await program.stop('SIGKILL')
  }
  const output = (): string => program.stdout() + program.stderr()
  return { url: program.url, output, stop, [Symbol.asyncDispose]: stop }
}
