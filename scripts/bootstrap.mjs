// Runs a file of this repository under the Node that the lockfile names, after installing what is missing.
// Needs nothing but npm and Node 20 or newer: `node scripts/bootstrap.mjs [--only <package>] <file> [arguments]`.
// With `--only` it installs what that package needs to run, unless everything was installed before.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const bin = join(root, 'node_modules/.bin')
const node = join(root, 'node_modules/node-runtime/bin/node')

const { only, file, args } = parseArguments(process.argv.slice(2))
const manifests = findManifests()
const stamp = fingerprint()
const everything = { stampFile: join(root, 'node_modules/.bootstrap'), options: [], needed: allOf }
const part = {
  stampFile: join(root, 'node_modules/.bootstrap-part'),
  // The root brings the Node that runs it.
  options: ['--prod', '--filter-prod', '.', '--filter-prod', `${only}...`],
  needed: (manifest, path) => (manifest.name === only || dirname(path) === root ? manifest.dependencies : {}),
}
const wanted = only && !existsSync(everything.stampFile) ? part : everything
if (!isInstalled(wanted)) install(wanted)

const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ''}` }
const child = spawn(node, [join(root, file), ...args], { cwd: root, env, stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
// npm passes SIGTERM and SIGINT on to us: its shell is gone, thanks to `exec` in the script. It cannot pass SIGKILL on.
const parent = process.ppid
setInterval(() => process.ppid === parent || child.kill('SIGTERM'), 500).unref()
child.on('error', error => {
  console.error(`Cannot start ${node}: ${error.message}`)
  process.exitCode = 1
})
child.on('exit', (code, signal) => {
  process.exitCode = code ?? 128 + constants.signals[signal]
})

function parseArguments([first, ...rest]) {
  const [only, file, ...args] = first === '--only' ? rest : [undefined, first, ...rest]
  if (!file) throw new Error('Usage: node scripts/bootstrap.mjs [--only <package>] <file> [arguments]')
  return { only, file, args }
}

function allOf({ dependencies, devDependencies }) {
  return { ...dependencies, ...devDependencies }
}

function findManifests() {
  const folders = [
    '.',
    'test-fixtures',
    'test-fixtures/express-session-apps',
    'test-fixtures/guides',
    'bench',
  ]
  for (const parent of ['packages', 'examples']) {
    if (existsSync(join(root, parent)))
      folders.push(...readdirSync(join(root, parent)).map(name => join(parent, name)))
  }
  return folders.map(folder => join(root, folder, 'package.json')).filter(path => existsSync(path))
}

function fingerprint() {
  const hash = createHash('sha256').update(
    `${process.platform} ${process.arch} ${process.versions.modules}\n`,
  )
  for (const path of [join(root, 'pnpm-lock.yaml'), join(root, 'pnpm-workspace.yaml'), ...manifests]) {
    hash.update(`${path.slice(root.length)}\n`).update(readFileSync(path))
  }
  return hash.digest('hex')
}

function isInstalled({ stampFile, needed }) {
  return existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp && isComplete(needed)
}

/** Whether every dependency that is needed is there, and the runtime runs on this machine. */
function isComplete(needed) {
  for (const path of manifests) {
    for (const name of Object.keys(needed(JSON.parse(readFileSync(path, 'utf8')), path) ?? {})) {
      if (!existsSync(join(dirname(path), 'node_modules', name, 'package.json'))) return false
    }
  }
  return spawnSync(node, ['--version']).status === 0
}

function install({ stampFile, options, needed }) {
  rmSync(stampFile, { force: true })
  // The second round refetches what an interrupted installation left behind in pieces.
  if (!pnpmInstall(...options) || !isComplete(needed)) {
    if (!pnpmInstall(...options, '--force') || !isComplete(needed)) {
      console.error('The installation is incomplete; the lines above say why. Is the npm registry reachable?')
      process.exit(1)
    }
  }
  if (only) linkPeers()
  writeFileSync(stampFile, stamp)
}

/** Gives the packages of the workspace the peer dependencies that `only` has, as if they were installed from npm. */
function linkPeers() {
  const all = manifests.map(path => ({ folder: dirname(path), ...JSON.parse(readFileSync(path, 'utf8')) }))
  const user = all.find(({ name }) => name === only)
  for (const { folder, name, peerDependencies } of all) {
    if (!(name in user.dependencies)) continue
    for (const peer of Object.keys(peerDependencies ?? {})) {
      const [link, target] = [folder, user.folder].map(each => join(each, 'node_modules', peer))
      if (existsSync(link) || !existsSync(target)) continue
      mkdirSync(dirname(link), { recursive: true })
      symlinkSync(target, link, 'junction')
    }
  }
}

function pnpmInstall(...options) {
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  // Without a terminal pnpm replaces a foreign node_modules only when told that this is CI.
  const result = spawnSync('npx', ['-y', packageManager, 'install', '--frozen-lockfile', ...options], {
    cwd: root,
    // pnpm would leave a compile cache in the temporary folder.
    env: { ...process.env, CI: 'true', NODE_DISABLE_COMPILE_CACHE: '1' },
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  })
  return result.status === 0
}
