// The examples in the READMEs of the packages: they type-check, and those that need no server are run as they stand.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { publicPackages, root } from './workspace.ts'

const tsc = join(root, 'node_modules/typescript-native/bin/tsc')
const packages = publicPackages()
const READMES = packages.map(({ folder }) => basename(folder))
/** Packages that the tests prove on other runtimes, too. */
const PORTABLE = ['core', 'fetch', 'h3', 'hono', 'store-cache', 'store-cookie']
/** Pages of `docs` whose TypeScript is complete. */
const PAGES = [
  'cookies.md',
  'cross-site-post.md',
  'django.md',
  'find-and-end-a-session.md',
  'running.md',
  'stores.md',
]
/** Pages of `docs` whose TypeScript is lines of the reader's app. `APP` has what those lines use. */
const PARTS = [
  'devices.md',
  'limit-sessions.md',
  'look-into-sessions-in-the-browser.md',
  'mobile-app.md',
  'step-up.md',
  'tenants.md',
  'testing.md',
]
const APP = `import { session } from '@sess/express'
import { cacheStore } from '@sess/store-cache'
import express, { type Request } from 'express'
import type { FastifyInstance } from 'fastify'
import type { Page } from 'playwright-core'
import request from 'supertest'
import { expect, test } from 'vitest'

const store = cacheStore()
const sess = session({ store })
const { sessions } = sess
const app = Object.assign(express(), {} as Pick<FastifyInstance, 'inject'>)
declare const cookie: string
declare const page: Page
declare function checkPassword(req: Request): Promise<{ id: string; name: string }>
declare function isPassword(user: string | null, password: string): Promise<boolean>
declare function deleteAccount(user: string | null): Promise<void>
declare function isStaff(request: globalThis.Request): boolean
`
/** Its example imports the reader's own store; the guide that it names is run by its own test. */
const OF_THE_READER = 'conformance'
const SECRET = 'kD9vXo3c1Yq8mZr5T7uW2bE4nH6jL0pS'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sess-readmes-'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  const link = (name: string, place: string): void => {
    const at = join(folder, 'node_modules', name)
    mkdirSync(dirname(at), { recursive: true })
    if (!existsSync(at)) symlinkSync(place, at, 'dir')
  }
  for (const each of packages) {
    link(each.name, each.folder)
    const { peerDependencies, devDependencies } = each.manifest
    for (const name of Object.keys({ ...peerDependencies, ...devDependencies })) {
      const place = join(each.folder, 'node_modules', name)
      if (!name.startsWith('@sess/') && existsSync(place)) link(name, place)
    }
  }
  for (const name of ['@types/node', 'playwright-core', 'vitest'])
    link(name, join(root, 'node_modules', name))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A package's README, or a page of `docs`. */
const readme = (name: string): string =>
  readFileSync(join(root, name.endsWith('.md') ? `docs/${name}` : `packages/${name}/README.md`), 'utf8')

/** The TypeScript in a README. A block without imports continues the first one. */
function examples(name: string): string[] {
  const [first = '', ...others] = [...readme(name).matchAll(/^```ts(?: file=\S+)?\n([\s\S]*?)^```$/gm)].map(
    found => found[1]!,
  )
  if (PARTS.includes(name)) return [first, ...others].map(inApp)
  return [first, ...others.map(text => (text.startsWith('import ') ? text : first + text))]
}

/** Puts lines into the reader's app. Their block lets them declare a `store` of their own. */
function inApp(lines: string): string {
  const imports = lines.match(/^import .*\n/gm)?.join('') ?? ''
  return `${imports}${APP};{\n${lines.slice(imports.length)}}\n`
}

describe('every README', () => {
  test.each(READMES)('%s says what runtimes it needs, under the command that installs it', name => {
    const also = PORTABLE.includes(name) ? ', or Bun, Deno or Workers' : ''
    expect(readme(name)).toMatch(
      new RegExp(
        `^npm install .*\n(npm install -D .*\n|npx .*\n)?\`\`\`\n\nNeeds Node 22\\.13 or newer${also}\\.`,
        'm',
      ),
    )
  })

  test.each(READMES)('%s links to nothing that an npm tarball lacks', name => {
    const relative = [...readme(name).matchAll(/\]\((?!https?:|#)([^)]*)\)/g)].map(found => found[1])
    expect(relative).toEqual([])
  })
})

test('every login in an example says whose session it is, for "log out everywhere"', () => {
  const pages = globSync(['*.md', 'docs/*.md', 'packages/*/README.md'], { cwd: root })
  const logins = pages.flatMap(page =>
    [...readFileSync(join(root, page), 'utf8').matchAll(/^```[jt]s.*\n([\s\S]*?)^```$/gm)]
      .filter(([, code]) => code!.includes('cycleKey()'))
      .map(([, code]) => [page, /\.subject = /.test(code!)]),
  )
  expect(logins.length).toBeGreaterThan(10)
  expect(logins.filter(([, hasSubject]) => !hasSubject)).toEqual([])
})

/** What is wrong with the examples of these READMEs, checked as one program. */
function typeErrors(names: string[]): string[] {
  const files = names.flatMap(name =>
    examples(name).map((code, index) => {
      const file = join(folder, `${name.replace('.md', '')}-${index}.ts`)
      writeFileSync(file, `${code}\nexport {}\n`)
      return file
    }),
  )
  const compilerOptions = {
    target: 'es2023',
    lib: ['es2024', 'dom'],
    module: 'nodenext',
    types: ['node'],
    typeRoots: [join(folder, 'node_modules/@types')],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    allowImportingTsExtensions: true,
    noEmit: true,
    skipLibCheck: true,
  }
  const project = join(folder, 'tsconfig.json')
  writeFileSync(project, JSON.stringify({ compilerOptions, files }))
  const { stdout, status } = spawnSync(process.execPath, [tsc, '-p', project], {
    cwd: folder,
    encoding: 'utf8',
  })
  // An example may import what the sources need other options for. Those have a check of their own.
  const ofExamples = stdout.match(/^[^(/]+-\d+\.ts\(.*(\n .*)*/gm) ?? []
  if (status !== 0 && !/ error TS/.test(stdout)) throw new Error(`tsc could not run: ${stdout}`)
  return ofExamples
}

describe('type-checks under strict', () => {
  // What an example declares of `SessionData` must not type the others.
  const typed = READMES.filter(name => readme(name).includes('interface SessionData'))
  const plain = [
    ...READMES.filter(name => !typed.includes(name) && name !== OF_THE_READER),
    ...PAGES,
    ...PARTS,
  ]
  test.each([...typed.map(name => [name]), plain])('%s', (...names) => {
    expect(typeErrors(names)).toEqual([])
  })
})

interface Request {
  path: string
  form?: string
  answer: string
}

const LOGIN: Request[] = [{ path: '/login', form: '', answer: '{"userId":42}' }]
const VISITS = (word: string): Request[] => [1, 2].map(n => ({ path: '/', answer: `${word} ${n}` }))

const RUN: Record<string, Request[] | undefined> = {
  core: VISITS('visit'),
  node: VISITS('Visit'),
  express: curls('express'),
  koa: curls('koa'),
  h3: curls('h3'),
  fetch: curls('fetch'),
  hono: curls('hono'),
  fastify: curls('fastify'),
  'store-sql': [{ path: '/login/ada', form: '', answer: 'Hello, ada!' }],
  'store-file': LOGIN,
  'store-cache': LOGIN,
  'store-cookie': LOGIN,
}

/** What the README says to type, and what it says is answered. */
function curls(name: string): Request[] {
  const line = /^curl -b jar -c jar -L -d '(.*?)' '?http:\/\/localhost:3000(\/[^\s']*)'? +# (.*)$/gm
  return [...readme(name).matchAll(line)].map(([, form = '', path = '', answer = '']) => ({
    path,
    form,
    answer,
  }))
}

describe('does what it says', () => {
  test.each(Object.keys(RUN))('%s', async name => {
    const requests = RUN[name]!
    expect(requests.length).toBeGreaterThan(0)
    const url = await started(name)
    let cookie = ''
    for (const { path, form, answer } of requests) {
      let at = url + path
      let body = form
      for (;;) {
        const headers = {
          cookie,
          ...(body !== undefined && { 'content-type': 'application/x-www-form-urlencoded' }),
        }
        const method = body === undefined ? 'GET' : 'POST'
        const response = await fetch(at, { method, headers, body: body ?? null, redirect: 'manual' })
        const [set] = response.headers.getSetCookie()
        if (set) cookie = set.split(';')[0]!
        const text = await response.text()
        const location = response.headers.get('location')
        if (location === null) {
          expect(text).toBe(answer)
          break
        }
        at = new URL(location, at).href
        body = undefined
      }
    }
  })
})

/** Runs the first example of a README on a free port, in a folder of its own. Returns its URL. */
async function started(name: string): Promise<string> {
  const tell = "console.log('listening on http://127.0.0.1:' + this.address().port)"
  const replaced = examples(name)[0]!
    .replace('.listen(3000)', `.listen(0, '127.0.0.1', function () { ${tell} })`)
    .replace(
      'serve(app, { port: 3000 })',
      "const server = serve(app, { port: 0, hostname: '127.0.0.1', silent: true })\nawait server.ready()\nconsole.log('listening on', server.url)",
    )
    .replace(
      'serve({ fetch, port: 3000 })',
      "const server = serve({ fetch, port: 0, hostname: '127.0.0.1', silent: true })\nawait server.ready()\nconsole.log('listening on', server.url)",
    )
    .replace(
      'serve({ fetch: app.fetch, port: 3000 })',
      "serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => console.log('listening on http://127.0.0.1:' + port))",
    )
    .replace('.listen({ port: 3000 })', ".listen({ port: 0 }).then(url => console.log('listening on', url))")
    .replace('/var/lib/my-app/sessions', 'sessions')
  expect(replaced).toContain('listening on')
  const cwd = join(folder, `run-${name}`)
  mkdirSync(cwd)
  writeFileSync(join(cwd, 'server.ts'), replaced)
  const server = spawn(process.execPath, ['server.ts'], {
    cwd,
    env: { ...process.env, SESSION_SECRET: SECRET },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => ended(server))
  const early = once(server, 'exit').then(() =>
    Promise.reject(new Error(`${name}: ended before it listened`)),
  )
  early.catch(() => undefined)
  const [line] = await Promise.race([once(createInterface(server.stdout), 'line'), early])
  return String(line).replace('listening on ', '').replace(/\/$/, '')
}

async function ended(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  const exit = once(server, 'exit')
  server.kill('SIGKILL')
  await exit
}
