import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { adapterCases } from '../src/adapter-cases/index.ts'

const run = promisify(execFile)
const packageFolder = dirname(dirname(fileURLToPath(import.meta.url)))
const root = dirname(dirname(packageFolder))
const command = join(packageFolder, 'src/cli.ts')

interface Guide {
  files: Map<string, string>
  commands: string[]
  /** Members of the interface `Store`. */
  signatures: string[]
}

/** What a guide has in code blocks, in order. */
async function readGuide(name: string): Promise<Guide> {
  const text = await readFile(join(root, 'docs', name), 'utf8')
  const files = new Map<string, string>()
  const commands: string[] = []
  const signatures: string[] = []
  for (const [, info = '', body = ''] of text.matchAll(/^```(\S.*)\n([\s\S]*?)^```$/gm)) {
    const file = /^js file=(\S+)$/.exec(info)?.[1]
    if (file) files.set(file, body)
    else if (info === 'ts of=Store') signatures.push(...body.trim().split('\n'))
    else if (info === 'sh') commands.push(...body.trim().split('\n'))
    else throw new Error(`a code block of ${name} that nobody runs: ${info}`)
  }
  return { files, commands, signatures }
}

/** A folder with the guide's files, where what it installs is linked. */
async function followed(name: string, packages: string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sess-guide-'))
  const { files } = await readGuide(name)
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  for (const [file, body] of files) await writeFile(join(folder, file), body)
  for (const each of packages) {
    const at = join(folder, 'node_modules', each)
    await mkdir(dirname(at), { recursive: true })
    await symlink(
      each === '@sess/conformance' ? packageFolder : join(packageFolder, 'node_modules', each),
      at,
      'dir',
    )
  }
  return folder
}

async function nodeIn(folder: string, ...args: string[]): Promise<string> {
  // What is left in the temporary folder goes with this one.
  const env: NodeJS.ProcessEnv = { ...process.env, TMPDIR: folder }
  delete env['NODE_TEST_CONTEXT']
  const { stdout, stderr } = await run(process.execPath, args, { cwd: folder, env }).catch(
    (error: { stdout?: string; stderr?: string }) => {
      throw new Error(`node ${args.join(' ')} failed:\n${error.stdout}\n${error.stderr}`)
    },
  )
  return stdout + stderr
}

function install(commands: string[]): string[] {
  return commands.filter(line => !/^(?:mkdir|npm) /.test(line))
}

describe('docs/write-a-store.md', () => {
  let folder: string
  beforeAll(async () => {
    folder = await followed('write-a-store.md', ['lmdb', '@sess/core', '@sess/conformance'])
  })
  afterAll(() => rm(folder, { recursive: true }))

  test('its commands are those that are run here', async () => {
    const { commands } = await readGuide('write-a-store.md')
    expect(install(commands)).toEqual([
      'npx sess-conformance ./prove.js',
      'node --test',
      'npx sess-conformance ./prove-full.js',
      'npx sess-conformance ./prove-map.js',
      'node app.js',
    ])
  })

  test('the signatures of the optional methods are those of the contract, and all of them', async () => {
    const { signatures } = await readGuide('write-a-store.md')
    const contract = await readFile(join(root, 'packages/core/src/store.ts'), 'utf8')
    const [, body = ''] = /^export interface Store \{\n([\s\S]*?)^\}$/m.exec(contract) ?? []
    const optional = [...body.matchAll(/^ {2}(\w+\?\(.*)$/gm)].map(([, line]) => line)
    expect(optional.length).toBeGreaterThan(0)
    expect(signatures).toEqual(optional)
  })

  // The whole suite runs on the full store, which has these methods, too.
  test('npx sess-conformance ./prove.js proves the store, here with a second process', async () => {
    const output = await nodeIn(folder, command, './prove.js', '--filter', 'process')
    expect(output).toMatch(/\n\d+ passed, 0 failed, \d+ do not apply\.\n/)
  }, 60_000)

  test('npx sess-conformance ./prove-full.js proves it with every optional method', async () => {
    const output = await nodeIn(folder, command, './prove-full.js', '--quick')
    expect(output).toMatch(/\n\d+ passed, 0 failed, \d+ do not apply\.\n/)
    expect(output).not.toContain('the store offers no ')
    // LMDB is no server: it cannot be frozen, be starting, lose a reply, or start again. It never drops an index.
    expect(output.match(/^.* NOT proved/gm)).toEqual([
      'Calls to a backend that hangs are NOT proved',
      'Errors of the backend’s own are NOT proved',
      'Replies that get lost are NOT proved',
      'The life of the index is NOT proved',
      'Backends that start again are NOT proved',
    ])
    expect(output).toMatch(/ok {6}store\/close /)
  }, 60_000)

  test('npx sess-conformance ./prove-map.js proves the store that the kit makes', async () => {
    const output = await nodeIn(folder, command, './prove-map.js', '--filter', 'store/re')
    expect(output).toMatch(/\n\d+ passed, 0 failed, \d+ do not apply\.\n/)
  }, 60_000)

  test('node --test passes', async () => {
    const output = await nodeIn(folder, '--test', '--test-name-pattern=store/re')
    expect(output).toMatch(/\bpass \d\d+\b/)
    expect(output).toMatch(/\bfail 0\b/)
  }, 60_000)

  test('node app.js says hello', async () => {
    expect(await nodeIn(folder, 'app.js')).toBe('hello ann\n')
  })

  test('nothing of it is left in the temporary folder', async () => {
    const left = (await readdir(folder)).filter(
      name => name.startsWith('lmdb-store-') || name.endsWith('.mdb-lock'),
    )
    expect(left).toEqual([])
  })
})

describe('docs/write-an-adapter.md', () => {
  let folder: string
  beforeAll(async () => {
    const packages = ['hono', '@hono/node-server', '@sess/core', '@sess/fetch', '@sess/conformance']
    folder = await followed('write-an-adapter.md', packages)
  })
  afterAll(() => rm(folder, { recursive: true }))

  test('its commands are those that are run here', async () => {
    const { commands } = await readGuide('write-an-adapter.md')
    expect(install(commands)).toEqual([
      'node --test',
      'node listen.js',
      'npx sess-conformance adapter http://127.0.0.1:3000',
    ])
  })

  test('node --test passes', async () => {
    const output = await nodeIn(folder, '--test')
    expect(output).toMatch(/\bpass \d\d+\b/)
    expect(output).toMatch(/\bfail 0\b/)
    // Hono's server leaves upgrades to others, and trusts no proxy.
    expect(output).toMatch(/adapter\/upgrade-unsaved:.*does not apply/)
    const proxied = adapterCases.filter(({ id }) => /\/proxy-(?!untrusted)/.test(id))
    expect(output.match(/adapter\/proxy-[\w-]+:.*does not apply: no `proxy` was given/g)).toHaveLength(
      proxied.length,
    )
    // Its handlers return a response, and have none of node:http.
    const withoutRaw = output.match(/does not apply: the probe app does nothing with `raw`/g)
    expect(withoutRaw).toHaveLength(9)
    expect(output).toMatch(new RegExp(`\\bskipped ${proxied.length + 9 + 1}\\b`))
  }, 60_000)

  test('npx sess-conformance adapter proves the process that listens', async () => {
    const process_ = spawn(process.execPath, ['listen.js'], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    try {
      const output = await nodeIn(folder, command, 'adapter', await addressOf(process_), '--filter', 'e-')
      expect(output).toMatch(/\n\d+ passed, 0 failed, 0 do not apply\.\n\nThe adapter is NOT proved, /)
    } finally {
      process_.kill()
      await once(process_, 'exit')
    }
  }, 60_000)
})

async function addressOf(child: ChildProcess): Promise<string> {
  if (!child.stdout) throw new Error('the process has no output')
  let said = ''
  for await (const text of child.stdout) {
    said += text
    const address = /listening on (\S+)\n/.exec(said)?.[1]
    if (address) return address
  }
  throw new Error(`the process ended: ${said}`)
}
