import { once } from 'node:events'
import { request as begin } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { text } from 'node:stream/consumers'
import { cookiesOf, request } from '@sess/test-fixtures/http.ts'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { compile, filesOf, folderWith, link, type Started, start } from './guide.ts'

const files = filesOf('nestjs.md')
const folderOf = (version: string): string => join(folder.path, version, '/')
const folder = folderWith(
  ['11', '12'].flatMap(version => [...files].map(([file, text]) => [`${version}/${file}`, text] as const)),
)
link(join(import.meta.dirname, '../nestjs-11/node_modules'), join(folder.path, '11/node_modules'))
let wrong: string
beforeAll(() => {
  wrong = compile(folder.path)
}, 60_000)
afterAll(() => folder[Symbol.dispose]())

test('docs/nestjs.md type-checks under strict with NestJS 11 and 12, and their decorators', () => {
  const versions = ['11', '12']
    .map(folderOf)
    .map(at => createRequire(at)('@nestjs/core/package.json').version)
  expect(versions).toEqual([expect.stringMatching(/^11\./), expect.stringMatching(/^12\./)])
  expect(files.size).toBe(7)
  expect(wrong).toBe('')
})

describe.each([
  ['11', 'express'],
  ['11', 'fastify'],
  ['12', 'express'],
  ['12', 'fastify'],
])('docs/nestjs.md with NestJS %s on the platform %s', (version, platform) => {
  const path = folderOf(version)
  let app: Started
  beforeAll(async () => {
    app = await start(path, `main-${platform}.js`)
  })
  afterAll(() => app.stop())

  const json = { 'content-type': 'application/json' }
  const post = (path: string, body: object, cookie?: string) =>
    request(app.url + path, { method: 'POST', headers: json, body: JSON.stringify(body), cookie })
  const login = async (cookie?: string) =>
    cookiesOf(await post('/login', { name: 'ada', password: 'lovelace' }, cookie))

  let cookie: string
  beforeEach(async () => {
    cookie = await login()
  })

  test('the guard lets in who is logged in, and the decorators give the user and the session', async () => {
    expect((await request(`${app.url}/account`)).status).toBe(401)
    expect((await post('/login', { name: 'ada', password: 'wrong' })).status).toBe(401)
    expect((await post('/cart', { item: 'mug' }, cookie)).json).toEqual(['mug'])
    const account = await request(`${app.url}/account`, { cookie })
    expect([account.status, account.json]).toEqual([200, { userId: 42, cart: ['mug'] }])
  })

  test('a login keeps the cart, and makes the old key void', async () => {
    const before = cookiesOf(await post('/cart', { item: 'mug' }))
    const after = await login(before)
    expect((await request(`${app.url}/account`, { cookie: after })).json.cart).toEqual(['mug'])
    expect((await request(`${app.url}/account`, { cookie: before })).status).toBe(401)
  })

  test('after a logout the guard keeps the cookie out', async () => {
    expect((await post('/logout', {}, cookie)).status).toBe(204)
    expect((await request(`${app.url}/account`, { cookie })).status).toBe(401)
  })

  test('a session that ends while its request is running is a 400 of the filter, without a cookie', async () => {
    // The session is loaded when the head has arrived, and the handler runs when the body has.
    const headers = { ...json, cookie, expect: '100-continue' }
    const slow = begin(`${app.url}/cart`, { method: 'POST', headers })
    const answered = once(slow, 'response')
    slow.flushHeaders()
    await once(slow, 'continue')
    expect((await post('/logout', {}, cookie)).status).toBe(204)
    slow.end('{"item":"late"}')
    const [response] = await answered
    const body = JSON.parse(await text(response))
    expect([response.statusCode, body.statusCode, body.code]).toEqual([400, 400, 'SESSION_INTERRUPTED'])
    expect(body.message).toContain('Repeat the request')
    expect(response.headers['set-cookie']).toBeUndefined()
    expect((await request(`${app.url}/account`, { cookie })).status).toBe(401)
  })

  // The last one: the table is gone afterwards.
  test('a store that fails is a 503 of the filter: in the guard, and when the handler has returned', async () => {
    const database = new DatabaseSync(join(path, 'sessions.db'))
    database.exec('ALTER TABLE sessions RENAME TO away')
    try {
      const read = await request(`${app.url}/account`, { cookie })
      const saved = await post('/cart', { item: 'mug' })
      for (const { status, headers, json, setCookies, text } of [read, saved]) {
        expect([status, json]).toEqual([503, { statusCode: 503, code: 'SESSION_STORE' }])
        expect([headers['retry-after'], setCookies]).toEqual(['5', []])
        expect(text).not.toContain('no such table')
      }
      expect(app.output()).toContain('[Session]')
    } finally {
      database.exec('ALTER TABLE away RENAME TO sessions')
      database.close()
    }
    expect((await request(`${app.url}/account`, { cookie })).status).toBe(200)
  })
})
