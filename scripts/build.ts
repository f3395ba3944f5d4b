// Builds every package into its `dist`, or those that the arguments name (`core`, `store-sql`, …).
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { writeDeclarations } from './declarations.ts'
import { withLock } from './lock.ts'
import { inParallel, run } from './run.ts'
import { cache, digest, type Package, publicPackages, root } from './workspace.ts'

const CONFIGURATION = [
  'tsup.config.ts',
  'scripts/declarations.ts',
  'tsconfig.declarations.json',
  'tsconfig.base.json',
  'pnpm-lock.yaml',
].map(name => join(root, name))

/**
 * Brings `dist` of the packages up to date. Returns the names of those that had to be built. Nothing is done
 * for a package whose sources, or those of what it depends on, have not changed since. Safe to call from several
 * processes at once. The order does not matter: inside the workspace, packages see each other's sources.
 */
export async function build(packages: Package[] = publicPackages()): Promise<string[]> {
  mkdirSync(join(cache, 'build'), { recursive: true })
  return withLock(join(cache, 'build.lock'), async () => {
    const stale = packages.filter(pkg => !isFresh(pkg))
    const digests = new Map(stale.map(pkg => [pkg, sourceDigest(pkg)]))
    const failures: string[] = []
    await inParallel(stale, 2, async pkg => {
      const { code, output } = await run(
        join(root, 'node_modules/.bin/tsup'),
        ['--config', '../../tsup.config.ts'],
        { cwd: pkg.folder },
      )
      if (code !== 0) failures.push(`${pkg.name}:\n${output}`)
    })
    const typed = stale.filter(({ manifest }) =>
      JSON.stringify(manifest.publishConfig).includes('dist/index.d.ts'),
    )
    if (failures.length === 0 && typed.length > 0) await writeDeclarations(typed)
    for (const pkg of failures.length === 0 ? stale : []) {
      const missing = publishedFiles(pkg).filter(file => !existsSync(join(pkg.folder, file)))
      if (missing.length > 0) failures.push(`${pkg.name}: publishConfig names ${missing.join(', ')}`)
      else writeFileSync(stampFile(pkg), digests.get(pkg)!)
    }
    if (failures.length > 0) throw new Error(`The build failed.\n${failures.join('\n')}`)
    return stale.map(pkg => pkg.name)
  })
}

function isFresh(pkg: Package): boolean {
  return (
    existsSync(stampFile(pkg)) &&
    readFileSync(stampFile(pkg), 'utf8') === sourceDigest(pkg) &&
    publishedFiles(pkg).every(file => existsSync(join(pkg.folder, file)))
  )
}

function stampFile(pkg: Package): string {
  return join(cache, 'build', basename(pkg.folder))
}

function sourceDigest(pkg: Package): string {
  return digest([...CONFIGURATION, ...sources(pkg, new Set())])
}

function sources(pkg: Package, seen: Set<string>): string[] {
  if (seen.has(pkg.name)) return []
  seen.add(pkg.name)
  const dependencies = publicPackages().filter(({ name }) => pkg.manifest.dependencies?.[name])
  return [
    join(pkg.folder, 'package.json'),
    join(pkg.folder, 'src'),
    ...dependencies.flatMap(dependency => sources(dependency, seen)),
  ]
}

/** Every file below `dist` that the published manifest points to. */
export function publishedFiles(pkg: Package): string[] {
  return [...JSON.stringify(pkg.manifest.publishConfig ?? {}).matchAll(/"\.\/(dist\/[^"]+)"/g)].map(
    match => match[1]!,
  )
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const wanted = process.argv.slice(2)
  const packages = publicPackages().filter(
    pkg => wanted.length === 0 || wanted.includes(basename(pkg.folder)) || wanted.includes(pkg.name),
  )
  const built = await build(packages)
  console.log(built.length > 0 ? `Built ${built.join(', ')}` : `${packages.length} packages are up to date`)
}
