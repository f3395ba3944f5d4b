import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Where the scripts keep what they can make again: nothing in here is published or committed. */
export const cache = join(root, 'node_modules/.cache/sess')

export type Manifest = {
  name: string
  version: string
  private?: boolean
  files?: string[]
  exports?: Record<string, string>
  imports?: Record<string, Record<string, string>>
  bin?: Record<string, string>
  publishConfig?: { exports: Record<string, unknown>; provenance?: boolean; bin?: Record<string, string> }
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
}

export type Package = { name: string; folder: string; manifest: Manifest }

/** Every package that is published and has code, in the order of their folders. */
export function publicPackages(): Package[] {
  return readdirSync(join(root, 'packages'))
    .map(name => join(root, 'packages', name))
    .filter(folder => existsSync(join(folder, 'package.json')) && existsSync(join(folder, 'src/index.ts')))
    .map(folder => ({ folder, manifest: readManifest(folder) }))
    .filter(({ manifest }) => !manifest.private)
    .map(({ folder, manifest }) => ({ name: manifest.name, folder, manifest }))
}

export function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
}

/** The subpaths a user can import code from, `.` first. */
export function codeExports(manifest: Manifest): [subpath: string, source: string][] {
  return Object.entries(manifest.exports ?? {}).filter(([, source]) => source.endsWith('.ts'))
}

/** `@sess/core` and `./rich` make `@sess/core/rich`. */
export function specifier(name: string, subpath: string): string {
  return subpath === '.' ? name : `${name}/${subpath.slice(2)}`
}

/** A digest of the named files and, below the named folders, of every file but those in `node_modules`. */
export function digest(paths: string[]): string {
  const hash = createHash('sha256')
  for (const path of paths.flatMap(listFiles))
    hash.update(`${relative(root, path)}\0`).update(readFileSync(path))
  return hash.digest('hex')
}

function listFiles(path: string): string[] {
  if (!existsSync(path)) return []
  if (statSync(path).isFile()) return [path]
  return readdirSync(path)
    .sort()
    .filter(name => name !== 'node_modules')
    .flatMap(name => listFiles(join(path, name)))
}
