// Packs every public package. `node scripts/pack.ts <folder>` is what the release workflow publishes from.
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from './build.ts'
import { withLock } from './lock.ts'
import { runOrThrow } from './run.ts'
import { cache, digest, type Package, publicPackages, readManifest, root } from './workspace.ts'

export type Packed = Package & { tarball: string }

const HOUR = 3_600_000
const HOOK = join(root, 'scripts/published-manifest.cjs')

/** Where checks outside a release say the packages come from. */
const NOWHERE = 'https://github.com/example/sess'

/** The repository that a GitHub workflow runs in, or `undefined` elsewhere. */
function repositoryUrl(): string | undefined {
  const { GITHUB_SERVER_URL, GITHUB_REPOSITORY } = process.env
  return GITHUB_SERVER_URL && GITHUB_REPOSITORY && `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}`
}

/**
 * Builds what is stale and packs every public package as `pnpm publish` would. The tarballs lie in a folder named
 * after their content, so several processes may call this at once, and a second call packs nothing.
 */
export async function packAll(repository = repositoryUrl() ?? NOWHERE): Promise<Packed[]> {
  await build()
  const packages = publicPackages()
  const store = join(cache, 'tarballs')
  mkdirSync(store, { recursive: true })
  return withLock(join(cache, 'pack.lock'), async () => {
    const content = digest([HOOK, ...packages.flatMap(packedFiles)]).slice(0, 16)
    const folder = join(store, `${content}-${encodeURIComponent(repository)}`)
    if (!existsSync(folder)) {
      const fresh = `${folder}.${process.pid}`
      const filters = packages.flatMap(({ name }) => ['--filter', name])
      await runOrThrow(
        'npx',
        ['-y', pnpm(), ...filters, '-r', 'pack', `--config.pnpmfile=${HOOK}`, '--pack-destination', fresh],
        { env: { SESS_REPOSITORY_URL: repository } },
      )
      renameSync(fresh, folder)
      removeOld(store, folder)
    }
    return packages.map(pkg => ({ ...pkg, tarball: join(folder, tarballName(pkg)) }))
  })
}

function packedFiles({ folder, manifest: { files = [] } }: Package): string[] {
  const names = ['package.json', 'README.md', 'CHANGELOG.md', ...files]
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

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [folder] = process.argv.slice(2)
  const repository = repositoryUrl()
  if (!folder) throw new Error('Usage: node scripts/pack.ts <folder>')
  if (!repository)
    throw new Error('Set GITHUB_SERVER_URL and GITHUB_REPOSITORY: npm checks where a package is from')
  mkdirSync(folder, { recursive: true })
  for (const { tarball } of await packAll(repository)) cpSync(tarball, join(folder, basename(tarball)))
}
