import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { cookiesOf, request } from '@sess/test-fixtures/http.ts'
import { transformSync } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { filesOf, folderWith, installed, link } from './guide.ts'

const page = filesOf('frameworks.md')
/** `pnpm test:runtimes` runs them. */
const ELSEWHERE = ['elysia.js', 'bun.js', 'deno.js', 'workers.js']

/** Takes a file from the page. */
function take(file: string): string {
  const text = page.get(file)!
  page.delete(file)
  return text
}

// NestJS compiles its decorators so.
const tsconfigRaw = { compilerOptions: { experimentalDecorators: true } }
const nest = transformSync(take('nestjs.ts'), { loader: 'ts', tsconfigRaw }).code
const middleware = take('server/middleware/session.js')
const route = take('server/routes/visits.js')
const nitro = `import { createServer } from 'node:http'
import { createApp, defineEventHandler, toNodeListener } from 'h3'
import middleware from './session.js'
globalThis.defineEventHandler = defineEventHandler // Nitro imports it by itself
const { default: visits } = await import('./visits.js')
createServer(toNodeListener(createApp().use(middleware).use(visits))).listen(3000)`
for (const file of ELSEWHERE) take(file)

const programs = new Map([
  ['nestjs.js', nest],
  // In this folder h3 is version 1.
  ['h3-v1/h3-v1.js', take('h3-v1.js')],
  // The routes of Nitro. `pnpm campaign nuxt` builds them.
  ['h3-v1/nitro.js', nitro],
  ...page,
])
const folder = folderWith([...programs, ['h3-v1/session.js', middleware], ['h3-v1/visits.js', route]])
link(join(installed, 'h3-v1'), join(folder.path, 'h3-v1/node_modules/h3'))

const urls = new Map<string, string>()
let server: ChildProcess

beforeAll(async () => {
  server = fork(join(import.meta.dirname, 'on-free-ports.ts'), [...programs.keys()], {
    cwd: folder.path,
    env: { ...process.env, SESSION_SECRET: 'a secret of the tests, which nobody should use' },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  server.on('message', ([file, url]: [string, string]) => urls.set(file, url))
  await Promise.race([once(server, 'disconnect'), once(server, 'exit')])
}, 30_000)
afterAll(async () => {
  const ended = once(server, 'exit')
  if (server.kill('SIGKILL')) await ended
  folder[Symbol.dispose]()
})

test.each([...programs.keys()])('docs/frameworks.md: %s counts the visits of each browser', async file => {
  const url = urls.get(file)!
  const first = await request(url)
  expect([first.text, first.setCookies.length]).toEqual(['visit 1', 1])
  const cookie = cookiesOf(first)
  expect((await request(url, { cookie })).text).toBe('visit 2')
  expect((await request(url)).text).toBe('visit 1')
  expect((await request(url, { cookie })).text).toBe('visit 3')
})
