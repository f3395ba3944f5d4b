// Type-checks every project of the workspace in one process, so that what they share is parsed once.
import { globSync } from 'node:fs'
import { join, relative } from 'node:path'
import ts from 'typescript'
import { root } from './workspace.ts'

const projects = globSync(
  ['tsconfig.json', 'tsconfig.portable.json', '{packages,examples}/*/tsconfig.json', 'bench/tsconfig.json'],
  {
    cwd: root,
  },
).sort()

const format: ts.FormatDiagnosticsHost = {
  getCanonicalFileName: name => name,
  getCurrentDirectory: () => root,
  getNewLine: () => '\n',
}

const parsed = new Map<string, ts.SourceFile | undefined>()
const reported = new Set<string>()
let errors = 0
for (const project of projects) errors += check(join(root, project))
console.log(errors === 0 ? `${projects.length} projects, no errors` : `${errors} errors`)
process.exitCode = errors === 0 ? 0 : 1

function check(path: string): number {
  const config = ts.getParsedCommandLineOfConfigFile(path, undefined, {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic,
  })
  // A package that has no code yet has nothing to check.
  if (!config || config.fileNames.length === 0) return 0
  const program = ts.createProgram({
    rootNames: config.fileNames,
    options: config.options,
    host: hostFor(config.options),
    configFileParsingDiagnostics: config.errors,
  })
  // A source that several projects share is wrong once.
  const diagnostics = ts
    .sortAndDeduplicateDiagnostics(ts.getPreEmitDiagnostics(program))
    .map(diagnostic => ts.formatDiagnostic(diagnostic, format))
    .filter(text => !reported.has(text))
  if (diagnostics.length > 0) console.log(`${relative(root, path)}:\n${diagnostics.join('')}`)
  for (const text of diagnostics) reported.add(text)
  return diagnostics.length
}

function hostFor(options: ts.CompilerOptions): ts.CompilerHost {
  const host = ts.createCompilerHost(options)
  const read = host.getSourceFile.bind(host)
  // Projects whose module rules differ parse and bind differently.
  const kind = `${options.module} ${options.moduleResolution}`
  host.getSourceFile = (fileName, languageVersionOrOptions, ...rest) => {
    const format =
      typeof languageVersionOrOptions === 'object' ? languageVersionOrOptions.impliedNodeFormat : ''
    const key = `${kind} ${format} ${fileName}`
    if (!parsed.has(key)) parsed.set(key, read(fileName, languageVersionOrOptions, ...rest))
    return parsed.get(key)
  }
  return host
}

function onUnRecoverableConfigFileDiagnostic(diagnostic: ts.Diagnostic): never {
  throw new Error(ts.formatDiagnostic(diagnostic, format))
}
