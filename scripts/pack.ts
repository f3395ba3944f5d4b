import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { build } from './build.ts'
import { withLock } from './lock.ts'
import { runOrThrow } from './run.ts'
import { cache, digest, type Package, publicPackages, readManifest, root } from './workspace.ts'

export type Packed = Package & { tarball: string }

const HOUR = 3_600_000

/**
 * Builds what is stale and packs every public package as `pnpm publish` would. The tarballs lie in a folder named
 * after their content, so several processes may call this at once, and a second call packs nothing.
 */
export async function packAll(): Promise<Packed[]> {
  await build()
  const packages = publicPackages()
  const store = join(cache, 'tarballs')
  mkdirSync(store, { recursive: true })
  return withLock(join(cache, 'pack.lock'), async () => {
    const folder = join(store, digest(packages.flatMap(packedFiles)).slice(0, 16))
    if (!existsSync(folder)) {
      const fresh = `${folder}.${process.pid}`
      const filters = packages.flatMap(({ name }) => ['--filter', name])
      await runOrThrow('npx', ['-y', pnpm(), ...filters, '-r', 'pack', '--pack-destination', fresh])
      renameSync(fresh, folder)
      removeOld(store, folder)
    }
    return packages.map(pkg => ({ ...pkg, tarball: join(folder, tarballName(pkg)) }))
  })
}

function packedFiles({ folder }: Package): string[] {
  const names = ['package.json', 'README.md', 'CHANGELOG.md', 'dist']
  return [...names.map(name => join(folder, name)), join(root, 'LICENSE')]
}

function tarballName({ manifest: { name, version } }: Package): string {
  return `${name.replace('@', '').replace('/', '-')}-${version}.tgz`
}

function pnpm(): string {
  return (readManifest(root) as { packageManager?: string }).packageManager ?? 'pnpm'
}

function removeOld(store: string, current: string): void {
  for (const name of readdirSync(store)) {
    const path = join(store, name)
    // Another process may still read what an earlier call packed.
    const isOld = Date.now() - statSync(path).mtimeMs > HOUR
    if (isOld && name !== basename(current)) rmSync(path, { recursive: true, force: true })
  }
}
