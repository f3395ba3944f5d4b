import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Stryker } from '@stryker-mutator/core'

/** The files that are mutated, in this order. */
export const FILES = [
  'expiry',
  'engine',
  'session',
  'access',
  'flash',
  'plain-object',
  'session-state',
  'lookup',
  'load',
  'lifetime',
  'facts',
  'plan',
  'commit',
  'record',
  'save',
  'server-save',
  'rotate',
  'remove',
  'retry',
  'response',
] as const
export type File = (typeof FILES)[number]

type LogLevel = NonNullable<ConstructorParameters<typeof Stryker>[0]['logLevel']>
type Mutant = Awaited<ReturnType<Stryker['runMutationTest']>>[number]

/** A mutant as the list of survivors has it: by its text, so that it outlives edits elsewhere in the file. */
export interface Mutation {
  file: File
  was: string
  is: string
}

/** A survivor that somebody has looked at. */
export interface Survivor extends Mutation {
  /** `equivalent`: no caller can tell; `performance`: slower, no different; `text`: of an error's message. */
  kind: 'equivalent' | 'performance' | 'text'
  reason: string
}

export interface Result {
  file: File
  mutants: number
  /** Noticed by a test, or not done in time. */
  killed: number
  /** Killed by the clock alone; counted in `killed`. */
  timedOut: number
  survivors: Mutation[]
}

const root = fileURLToPath(new URL('../../../../', import.meta.url))
const here = 'packages/core/test/mutants'

export const sourceOf = (file: File): string =>
  readFileSync(join(root, `packages/core/src/${file}.ts`), 'utf8')

export function listed(): Survivor[] {
  return JSON.parse(readFileSync(join(root, here, 'survivors.json'), 'utf8'))
}

/** Runs core's tests against every mutant of a file of core, or of some functions of it, in a copy of the workspace. */
export async function hunt(file: File, names: readonly string[] = []): Promise<Result> {
  process.chdir(root)
  const source = sourceOf(file)
  const path = `packages/core/src/${file}.ts`
  const stryker = new Stryker({
    mutate: names.length > 0 ? names.map(name => `${path}:${linesOf(source, name)}`) : [path],
    // For a quick look at some functions the tests of their own file have to do.
    testFiles: names.length > 0 ? [`packages/core/test/${file}.test.ts`] : [],
    testRunner: 'vitest',
    plugins: ['@stryker-mutator/vitest-runner', join(root, here, 'messages.ts')],
    ignorers: ['messages'],
    vitest: { configFile: `${here}/vitest.config.ts`, related: false },
    ignorePatterns: [
      '/*',
      '!/packages',
      '/packages/*',
      '!/packages/core',
      'dist',
      '!/tsconfig.base.json',
      '!/docs',
    ],
    tempDirName: join(tmpdir(), 'sess-mutants'),
    cleanTempDir: 'always',
    reporters: ['progress-append-only'],
    logLevel: 'warn' as LogLevel,
    warnings: { slow: false, unknownOptions: true, preprocessorErrors: true, unserializableOptions: true },
    allowConsoleColors: false,
    concurrency: names.length > 0 ? 1 : 2,
    coverageAnalysis: 'perTest',
    timeoutMS: 3000,
    timeoutFactor: 2,
  })
  const mutants = (await stryker.runMutationTest()).filter(({ status }) => status !== 'Ignored')
  const broken = mutants.find(({ status }) => status === 'RuntimeError' || status === 'Pending')
  if (broken) throw new Error(`A mutant of ${file} could not be tried: ${broken.statusReason}`)
  const survivors = mutants.filter(({ status }) => status === 'Survived' || status === 'NoCoverage')
  return {
    file,
    mutants: mutants.length,
    killed: mutants.length - survivors.length,
    timedOut: mutants.filter(({ status }) => status === 'Timeout').length,
    survivors: survivors.map(mutant => mutationOf(file, source, mutant)),
  }
}

/** The first and the last line of a function or method, as Stryker takes them. */
export function linesOf(source: string, name: string): string {
  const lines = source.split('\n')
  const head = new RegExp(`^( *)(?:export |async |static |get |set )*(?:function\\*? |\\*)?#?${name}[<(]`)
  const last = lines.findLastIndex(line => head.test(line))
  const [, indent = ''] = head.exec(lines[last] ?? '') ?? []
  const end = lines.indexOf(`${indent}}`, last)
  if (last === -1 || end === -1) throw new Error(`There is no function ${name}.`)
  return `${last + 1}-${end + 1}`
}

/** The line with and without the mutation; of a mutation of many lines, its beginning. */
export function mutationOf(
  file: File,
  source: string,
  { location: { start, end }, replacement = '' }: Pick<Mutant, 'location' | 'replacement'>,
): Mutation {
  const lines = source.split('\n')
  // Lines and columns count from one.
  const middle = lines.slice(start.line - 1, end.line)
  const before = middle[0]!.slice(0, start.column - 1).trimStart()
  const after = middle
    .at(-1)!
    .slice(end.column - 1)
    .trimEnd()
  middle[middle.length - 1] = middle.at(-1)!.slice(0, end.column - 1)
  middle[0] = middle[0]!.slice(start.column - 1)
  const was = middle.map(line => line.trim()).join(' ')
  const short = (text: string): string => (text.length > 100 ? `${text.slice(0, 100)}…` : text)
  return {
    file,
    was: before + short(was) + after,
    is: before + short(replacement.replace(/\s+/g, ' ')) + after,
  }
}

/** What both have alike, and what only one of them has. */
export function compare(
  found: readonly Mutation[],
  known: readonly Survivor[],
): { explained: Survivor[]; unknown: Mutation[]; stale: Survivor[] } {
  const same = (a: Mutation, b: Mutation): boolean => a.file === b.file && a.was === b.was && a.is === b.is
  return {
    explained: found.flatMap(one => known.find(other => same(one, other)) ?? []),
    unknown: found.filter(one => !known.some(other => same(one, other))),
    stale: known.filter(one => !found.some(other => same(one, other))),
  }
}
