import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { expect, it } from 'vitest'
import manifest from '../package.json' with { type: 'json' }

const src = join(import.meta.dirname, '../src')

it('the declarations need neither the DOM library nor the types of Node', () => {
  const declarations = emitDeclarations()
  const entries = Object.values(manifest.exports).filter(path => path.endsWith('.ts'))
  expect(entries.length).toBeGreaterThanOrEqual(5)
  const app = join(src, 'app.ts')
  // rich() needs devalue, which is the user's to install.
  const imports = entries.map((path, index) => `import * as entry${index} from '${path.replace('/src', '')}'`)
  const text = `${imports.join('\n')}
import { createSessions, type Session, type Store, type StoreContext } from './index.ts'
const store = {} as Store
const session: Session = createSessions({ store }).open('')
session.set('a', 1)
export const isLate = ({ signal }: StoreContext): boolean => signal?.aborted === true
export const listen = ({ signal }: StoreContext): void => signal?.addEventListener('abort', () => {})
export const entries = [${entries.map((_, index) => `entry${index}`)}]`
  expect(check({ ...declarations, [app]: text }, app, ['lib.es2022.d.ts'])).toEqual([])
  // With the DOM a signal is an AbortSignal, which `fetch` takes.
  const dom = `import type { StoreContext } from './index.ts'
export const read = ({ signal }: StoreContext) => fetch('/', { signal: signal ?? null })`
  expect(check({ ...declarations, [app]: dom }, app, ['lib.es2022.d.ts', 'lib.dom.d.ts'])).toEqual([])
})

/** What the build publishes, before it is bundled: path → text. Each file by itself, which takes a tenth of a second. */
function emitDeclarations(): Record<string, string> {
  const compilerOptions = { target: ts.ScriptTarget.ES2022, declaration: true, strict: true }
  const files = readdirSync(src).map(name => {
    const { outputText } = ts.transpileDeclaration(readFileSync(join(src, name), 'utf8'), {
      fileName: name,
      compilerOptions,
    })
    return [join(src, name.replace(/ts$/, 'd.ts')), outputText] as const
  })
  expect(files.length).toBeGreaterThan(20)
  return Object.fromEntries(files)
}

/** The errors of the app, and the unknown names anywhere, in a program that sees these files instead of the sources. */
function check(files: Record<string, string>, main: string, lib: string[]): string[] {
  const options: ts.CompilerOptions = {
    lib,
    types: [],
    strict: true,
    noEmit: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    allowImportingTsExtensions: true,
  }
  const host = ts.createCompilerHost(options)
  const isOurs = (path: string) => path.startsWith(src)
  const fileExists = host.fileExists.bind(host)
  const readFile = host.readFile.bind(host)
  host.fileExists = path => (isOurs(path) ? path in files : fileExists(path))
  host.readFile = path => (isOurs(path) ? files[path] : readFile(path))
  const getSourceFile = host.getSourceFile.bind(host)
  host.getSourceFile = (path, languageVersion, ...rest) => {
    const text = files[path]
    if (text !== undefined) return ts.createSourceFile(path, text, languageVersion)
    return isOurs(path) ? undefined : getSourceFile(path, languageVersion, ...rest)
  }
  // The test resolves `./x.ts` to the declaration beside which no source is.
  host.resolveModuleNameLiterals = (literals, containing) =>
    literals.map(({ text }) => {
      const path = text.startsWith('.') ? join(containing, '..', text.replace(/\.ts$/, '.d.ts')) : undefined
      if (path !== undefined && path in files) {
        return { resolvedModule: { resolvedFileName: path, extension: ts.Extension.Dts } }
      }
      return ts.resolveModuleName(text, containing, options, { ...ts.sys })
    })
  const program = ts.createProgram([main], options, host)
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ file, messageText }) => {
      const name = file?.fileName.slice(src.length + 1) ?? ''
      return `${name}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`
    })
    .filter(text => text.startsWith('app.ts') || text.includes('Cannot find'))
}
