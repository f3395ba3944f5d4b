// An app of Nuxt 4, built for production by `nuxt build` and run: `pnpm campaign nuxt`. It has the files of docs/frameworks.md, and
// routes for a login, a logout, a cart and a page. Installs nuxt below node_modules/.cache.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { cookiesOf, request } from '@sess/test-fixtures/http.ts'
import { end } from '@sess/test-fixtures/runtimes.ts'
import { freePort } from '@sess/test-fixtures/servers'
import { build } from 'esbuild'

const NUXT = 'nuxt@^4.5.2'
const exec = promisify(execFile)
const root = join(import.meta.dirname, '../../..')
const home = join(root, 'node_modules/.cache/nuxt')
if (!existsSync(join(home, 'node_modules/nuxt'))) {
  mkdirSync(home, { recursive: true })
  writeFileSync(join(home, 'package.json'), '{ "private": true }')
  console.log(`installing ${NUXT} …`)
  await exec('npm', ['install', '--no-audit', '--no-fund', NUXT], { cwd: home })
}
const app = mkdtempSync(join(home, 'app-'))
process.on('exit', () => rmSync(app, { recursive: true, force: true }))

function write(path: string, text: string): void {
  mkdirSync(dirname(join(app, path)), { recursive: true })
  writeFileSync(join(app, path), text)
}

write('package.json', '{ "private": true, "type": "module" }')
write(
  'nuxt.config.ts',
  "export default defineNuxtConfig({ compatibilityDate: '2026-01-01', telemetry: false, serverDir: 'server' })",
)
const guide = readFileSync(join(root, 'docs/frameworks.md'), 'utf8')
for (const [, path, text] of guide.matchAll(/^```js file=(server\/\S+)\n([\s\S]*?)^```$/gm))
  write(path!, text!)
write(
  'app/app.vue',
  `<script setup>
const { data } = await useFetch('/api/account')
</script>
<template><p>user {{ data.user ?? 'nobody' }}, cart {{ data.cart.length }}</p></template>`,
)
write(
  'server/api/account.get.ts',
  `export default defineEventHandler(({ context: { session } }) => ({
  user: session.get('user', null),
  cart: session.get('cart', []),
}))`,
)
write(
  'server/api/login.post.ts',
  `export default defineEventHandler(async event => {
  const { name, password } = await readBody(event)
  if (password !== 'lovelace') throw createError({ statusCode: 401, message: 'Wrong name or password' })
  const { session } = event.context
  session.cycleKey()
  session.set('user', name)
  session.subject = name
  return sendRedirect(event, '/', 303)
})`,
)
write(
  'server/api/logout.post.ts',
  `export default defineEventHandler(event => {
  event.context.session.flush()
  return sendRedirect(event, '/', 303)
})`,
)
write(
  'server/api/cart.post.ts',
  `export default defineEventHandler(async ({ context: { session }, ...event }) => {
  session.get('cart')
  await new Promise(resolve => setTimeout(resolve, 100)) // so that all requests have read before the first one writes
  session.update('cart', (cart = []) => [...cart, cart.length])
  return 'added'
})`,
)
write(
  'server/api/broken.post.ts',
  `export default defineEventHandler(({ context: { session } }) => {
  session.set('broken', true)
  throw new Error('a fault of the app')
})`,
)
// As npm would install them.
for (const name of ['h3-v1', 'store-sql']) {
  const folder = `node_modules/@sess/${name}`
  write(
    `${folder}/package.json`,
    JSON.stringify({ name: `@sess/${name}`, type: 'module', exports: './index.js' }),
  )
  await build({
    entryPoints: [join(root, 'packages', name, 'src/index.ts')],
    outfile: join(app, folder, 'index.js'),
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node22',
    external: ['pg', 'mysql2', 'mysql2/promise'],
    logLevel: 'error',
    banner: {
      js: "import { createRequire } from 'node:module'\nconst require = createRequire(import.meta.url)",
    },
  })
}

console.log('nuxt build …')
await exec(
  process.execPath,
  [join(home, 'node_modules/nuxt/bin/nuxt.mjs'), 'build', '--logLevel', 'silent'],
  {
    cwd: app,
    env: { ...process.env, NODE_ENV: 'production', NUXT_TELEMETRY_DISABLED: '1' },
  },
)

const port = await freePort()
const server = spawn(process.execPath, ['.output/server/index.mjs'], {
  cwd: app,
  env: { ...process.env, NODE_ENV: 'production', PORT: String(port), HOST: '127.0.0.1' },
  stdio: ['ignore', 'pipe', 'inherit'],
})
await once(server.stdout, 'data')
const url = `http://127.0.0.1:${port}`
const get = (path: string, cookie?: string) => request(url + path, { cookie })
const post = (path: string, cookie?: string, body?: object) =>
  request(url + path, {
    method: 'POST',
    cookie,
    ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
try {
  const first = await get('/visits')
  assert.deepEqual([first.text, first.setCookies.length], ['visit 1', 1])
  const visitor = cookiesOf(first)
  assert.equal((await get('/visits', visitor)).text, 'visit 2')
  assert.equal((await get('/visits')).text, 'visit 1')
  console.log('the counter of docs/frameworks.md counts the visits of each browser')

  assert.equal((await post('/api/login', visitor, { name: 'ada', password: 'wrong' })).status, 401)
  const login = await post('/api/login', visitor, { name: 'ada', password: 'lovelace' })
  assert.deepEqual([login.status, login.headers.location, login.setCookies.length], [303, '/', 1])
  const cookie = cookiesOf(login)
  assert.notEqual(cookie, visitor)
  assert.equal((await get('/visits', cookie)).text, 'visit 3')
  // The key of before the login is void: a change under it is an error for half a minute, so that it cannot get lost.
  assert.equal((await get('/visits', visitor)).status, 400)
  console.log('a login keeps the data under a new key, and the old key is void')

  const added = await Promise.all(Array.from({ length: 20 }, () => post('/api/cart', cookie)))
  assert.deepEqual(new Set(added.map(({ status }) => status)), new Set([200]))
  const { json } = await get('/api/account', cookie)
  assert.deepEqual(json, { user: 'ada', cart: Array.from({ length: 20 }, (_, index) => index) })
  console.log('20 parallel writes are all there')

  const broken = await post('/api/broken', cookie)
  assert.deepEqual([broken.status, broken.setCookies], [500, []])
  assert.match((await get('/', cookie)).text, /user ada, cart 20/)
  assert.match((await get('/')).text, /user nobody, cart 0/)
  console.log('a page rendered on the server sees the session of its visitor, and no other')

  const logout = await post('/api/logout', cookie)
  assert.equal(logout.status, 303)
  assert.match(logout.setCookies[0]!, /Max-Age=0/)
  assert.equal((await get('/api/account', cookie)).json.user, null)
  console.log('after the logout the key opens nothing')
} finally {
  await end(server)
}
