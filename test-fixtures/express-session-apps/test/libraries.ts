import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Program, runProgram } from '@sess/test-fixtures/program.ts'

const folder = join(import.meta.dirname, '..')
const original = `--import=${pathToFileURL(join(folder, 'original.mjs'))}`

/** What an app can find under the name express-session, and where that keeps its sessions. */
export const libraries = [
  { name: 'express-session', env: { NODE_OPTIONS: original } },
  { name: 'Sess over MemoryStore', env: { NODE_OPTIONS: '' } },
  { name: 'Sess over SQLite', env: { NODE_OPTIONS: '', SESSION_STORE: 'sess' } },
] as const

/** Runs an app of `apps/` with one of them, and waits until the app says that it has found that one. */
export async function runApp(name: string, env: Record<string, string>, nodeOption = ''): Promise<Program> {
  const NODE_OPTIONS = `${env['NODE_OPTIONS'] ?? ''} ${nodeOption}`
  const program = await runProgram(join(folder, 'apps', name), { env: { ...env, NODE_OPTIONS } })
  const library = env['NODE_OPTIONS'] ? 'express-session-original' : 'express-session'
  await program.line(`express-session is ${createRequire(import.meta.url).resolve(library)}`)
  return program
}

/** Runs an app once with each of them, for a file whose tests share it. */
export async function runOnEach(
  name: string,
  env: Record<string, string> = {},
  wanted: readonly (typeof libraries)[number][] = libraries,
): Promise<{ on(library: string): Program; stop(): Promise<unknown> }> {
  const programs = await Promise.all(wanted.map(library => runApp(name, { ...library.env, ...env })))
  return {
    on: library => programs[wanted.findIndex(({ name }) => name === library)]!,
    stop: () => Promise.all(programs.map(program => program[Symbol.asyncDispose]())),
  }
}
