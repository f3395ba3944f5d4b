// Code that was written for express-session and @types/express-session continues compiling when the name `express-session`
// leads to this package. `npm install express-session@npm:@sess/express-session` makes such a folder.
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'

const own = fileURLToPath(new URL('..', import.meta.url))
const tsc = join(own, '../../node_modules/typescript-native/bin/tsc')
const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** A project with these packages of ours, and `express-session` from somewhere. */
function project(install: (modules: string) => void, files: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'sess-consumer-'))
  folders.push(folder)
  const modules = join(folder, 'node_modules')
  for (const scope of ['@types', '@sess']) mkdirSync(join(modules, scope), { recursive: true })
  for (const name of ['@types/express', '@sess/store-sql', 'express']) {
    symlinkSync(join(own, 'node_modules', name), join(modules, name), 'dir')
  }
  symlinkSync(join(own, '../../node_modules/@types/node'), join(modules, '@types/node'), 'dir')
  install(modules)
  for (const file of files) copyFileSync(join(own, 'test/consumer', file), join(folder, file))
  return folder
}

/** The package as npm has it under another name. */
function alias(modules: string): void {
  const at = join(modules, 'express-session')
  mkdirSync(at)
  const { publishConfig, ...manifest } = JSON.parse(readFileSync(join(own, 'package.json'), 'utf8'))
  writeFileSync(join(at, 'package.json'), JSON.stringify({ ...manifest, ...publishConfig }))
  symlinkSync(join(own, 'types'), join(at, 'types'), 'dir')
}

function original(modules: string): void {
  const at = join(modules, '@types/express-session')
  symlinkSync(join(own, 'node_modules/@types/express-session'), at, 'dir')
}

/** What TypeScript's native compiler says of a project. */
function errorsIn(folder: string, module: 'nodenext' | 'esnext'): string[] {
  const compilerOptions = {
    target: 'es2023',
    lib: ['es2024'],
    module,
    moduleResolution: module === 'esnext' ? 'bundler' : module,
    types: ['node'],
    strict: true,
    allowImportingTsExtensions: true,
    noEmit: true,
    skipLibCheck: true,
  }
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, include: ['*.mts', '*.cts'] }),
  )
  const { stdout } = spawnSync(process.execPath, [tsc, '-p', folder, '--pretty', 'false'], {
    encoding: 'utf8',
    cwd: folder,
  })
  // Here the other packages are sources, which have compiler options of their own.
  return stdout.split('\n').filter(line => /^(app|sess)\./.test(line))
}

describe('code for express-session compiles', () => {
  it.each([
    ['against its own types', original],
    ['against this package', alias],
  ])('%s', (_, install) => {
    expect(errorsIn(project(install, ['app.mts', 'app.cts']), 'nodenext')).toEqual([])
    expect(errorsIn(project(install, ['app.mts']), 'esnext')).toEqual([])
  })

  it('and may use what only this package has', () => {
    expect(errorsIn(project(alias, ['sess.mts']), 'nodenext')).toEqual([])
    expect(errorsIn(project(original, ['sess.mts']), 'nodenext')).not.toEqual([])
  })
})
