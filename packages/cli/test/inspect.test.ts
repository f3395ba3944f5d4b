import { once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { djangoCodec } from '@sess/core/django'
import { sqliteStore } from '@sess/store-sql'
import { expect, onTestFinished, test } from 'vitest'
import { plant, sess, temporaryFolder } from './run.ts'

const folder = temporaryFolder()
let stores = 0

/** Starts `sess inspect` over a store with two sessions of user 42. */
async function start(...args: string[]) {
  const url = `sqlite:${join(folder, `${++stores}.db`)}`
  await sess(['migrate', '--store', url])
  const store = sqliteStore(url.slice('sqlite:'.length))
  await plant({ store }, [
    { data: { name: 'ada', password: 'hunter2' }, subject: 42 },
    { data: {}, subject: 42 },
  ])
  await store.close()
  let stop = (): void => undefined
  const interrupt = new Promise<void>(resolve => {
    stop = resolve
  })
  let opened = (_: string): void => undefined
  const printed = new Promise<string>(resolve => {
    opened = resolve
  })
  let out = ''
  const ended = sess(['inspect', '--store', url, ...args], {
    interrupt,
    onOut(text) {
      out += text
      const found = /http:\/\/\S+/.exec(out)
      if (found && out.includes(`${found[0]}\n`)) opened(found[0])
    },
  })
  onTestFinished(async () => {
    stop()
    await ended
  })
  const opening = new URL(
    await Promise.race([printed, ended.then(({ err }) => Promise.reject(new Error(err)))]),
  )
  return { opening, url, stop, ended }
}

/** A request with any Host header, which `fetch` does not allow. */
async function get(url: URL, headers: Record<string, string> = {}, method = 'GET') {
  const request = httpRequest(url, { method, headers })
  request.end()
  const [response] = await once(request, 'response')
  let body = ''
  for await (const chunk of response) body += chunk
  return { status: response.statusCode as number, headers: response.headers, body }
}

test('the printed URL works once, and its cookie then shows the sessions and ends them', async () => {
  const { opening, url } = await start()
  expect(opening.hostname).toBe('127.0.0.1')
  expect(await get(opening, {}, 'HEAD')).toMatchObject({ status: 403 })
  const exchanged = await get(opening)
  expect(exchanged).toMatchObject({ status: 303, body: '' })
  expect(exchanged.headers['set-cookie']).toEqual([
    expect.stringMatching(/^sess_inspect=[\w-]{43}; Path=\/[0-9a-f]{16}; HttpOnly; SameSite=Strict$/),
  ])
  const cookie = exchanged.headers['set-cookie']![0]!.split(';')[0]!
  expect(await get(opening)).toMatchObject({ status: 403, body: expect.stringContaining('has been used') })
  expect(await get(opening, { cookie })).toMatchObject({ status: 303 })

  const overview = new URL(exchanged.headers.location!, opening)
  const page = await get(overview, { cookie })
  expect(page.status).toBe(200)
  expect(page.body).toContain('Live sessions')
  const token = /name="token" value="([\w-]+)"/.exec(page.body)![1]!
  const own = page.headers['set-cookie']![0]!.split(';')[0]!
  const response = await fetch(new URL('end-subject', overview), {
    method: 'POST',
    redirect: 'manual',
    headers: { cookie: `${cookie}; ${own}`, origin: overview.origin },
    body: new URLSearchParams({ token, subject: '42' }),
  })
  expect(response.headers.getSetCookie()).toEqual([expect.stringMatching(/^sess_inspector_ended=2; /)])
  expect((await sess(['list', '--store', url])).out).toContain('No live session.')
})

test('nobody gets in without the cookie, nor under another name of the host', async () => {
  const { opening } = await start()
  const exchanged = await get(opening)
  const cookie = exchanged.headers['set-cookie']![0]!.split(';')[0]!
  const overview = new URL(exchanged.headers.location!, opening)
  const paths = ['', 'list', 'style.css', 'list?token=x', '?token=x', `?token=${'A'.repeat(32)}`].map(
    path => new URL(path, overview),
  )
  for (const path of [...paths, new URL('/', opening), new URL('/sessions/', opening)]) {
    for (const given of [{}, { cookie: `sess_inspect=${'A'.repeat(43)}` }, { cookie: `x${cookie}` }]) {
      const refused = await get(path, given)
      expect(refused.status).toBe(403)
      expect(refused.body).not.toContain('42')
    }
  }
  const { port } = opening
  for (const host of [
    `evil.test:${port}`,
    `127.0.0.1.evil.test:${port}`,
    'localhost',
    `localhost:${port}.evil.test`,
    `[::1]:${port}`,
  ]) {
    expect(await get(overview, { cookie, host })).toMatchObject({
      status: 403,
      body: expect.stringContaining('not known here'),
    })
  }
  expect((await get(overview, { cookie, host: `localhost:${port}` })).status).toBe(200)
})

test('on port 80 it knows its own address, which browsers name without the port', async context => {
  const { opening } = await start('--port', '80').catch(error => {
    // Only root and some systems may listen there.
    if (/--port: (80 cannot be used|something else listens on 80)/.test(error.message))
      context.skip(error.message)
    throw error
  })
  const cookie = (await get(opening)).headers['set-cookie']![0]!.split(';')[0]!
  const overview = new URL('.', opening)
  for (const host of ['127.0.0.1', '127.0.0.1:80', 'localhost']) {
    expect((await get(overview, { cookie, host })).status).toBe(200)
  }
  for (const host of ['evil.test', '127.0.0.1.evil.test', '127.0.0.1:81']) {
    expect(await get(overview, { cookie, host })).toMatchObject({
      status: 403,
      body: expect.stringContaining('not known here'),
    })
  }
})

test('the records of a move are no sessions, with a codec that cannot read them, too', async () => {
  const [from, to] = ['old', 'new'].map(name => `sqlite:${join(folder, `${name}-site.db`)}`) as [
    string,
    string,
  ]
  for (const store of [from, to]) await sess(['migrate', '--django', '--store', store])
  const store = sqliteStore(from.slice('sqlite:'.length), { table: 'django_session', subject: false })
  const codec = djangoCodec({ secret: 'a secret of a Django site' })
  await plant({ store, codec, hashKeys: false }, [{ data: { cart: ['tea'] } }])
  await store.close()
  expect(await sess(['move', '--django', '--from', from, '--to', to])).toMatchObject({ code: 0 })
  const { opening } = await start('--django', '--store', to)
  const cookie = (await get(opening)).headers['set-cookie']![0]!.split(';')[0]!
  const list = await get(new URL('list', opening), { cookie })
  expect(list.body).toContain('1 live session.')
  expect(list.body).not.toContain('unreadable')
  expect((await sess(['stats', '--django', '--store', to])).out).toMatch(/^live sessions +1$/m)
})

test("Django's table is shown without its session keys, and says that signatures are not checked", async () => {
  const file = join(folder, 'django.db')
  await sess(['migrate', '--django', '--store', `sqlite:${file}`])
  const store = sqliteStore(file, { table: 'django_session', subject: false })
  const codec = djangoCodec({ secret: 'a secret of a Django site' })
  const data = { _auth_user_id: '42', _auth_user_hash: 'hunter2', cart: ['tea'] }
  const [key] = await plant({ store, codec, hashKeys: false }, [{ data }])
  await store.close()
  const { opening } = await start('--django', '--store', `sqlite:${file}`)
  const cookie = (await get(opening)).headers['set-cookie']![0]!.split(';')[0]!
  const list = await get(new URL('list?q=42', opening), { cookie })
  expect(list.body).toContain('Signatures are not checked.')
  expect(list.body).toContain('End all…')
  const path = /href="([^"]+\/session\/[0-9a-f]{40})\?q=42"/.exec(list.body)![1]!
  const session = await get(new URL(path, opening), { cookie })
  expect(session.body).toContain('&#34;tea&#34;')
  for (const { body } of [list, session]) expect(body).not.toMatch(new RegExp(`hunter2|${key}`))
})

test('it listens on 127.0.0.1 alone, and Ctrl-C ends it, with a browser that holds its connection', async () => {
  const { opening, stop, ended } = await start()
  const other = new URL(opening)
  // The whole of 127.0.0.0/8 is this machine; a server that listens everywhere would respond here.
  other.hostname = '127.0.0.2'
  await expect(get(other)).rejects.toThrow(/ECONNREFUSED/)
  const connection = httpRequest(opening, { headers: { connection: 'keep-alive' } })
  connection.on('error', () => undefined)
  connection.flushHeaders()
  await once(connection, 'socket')
  stop()
  expect(await ended).toMatchObject({
    code: 0,
    err: expect.stringContaining(
      `The URL works once. Ctrl-C, or \`kill ${process.pid}\`, ends the inspector.`,
    ),
  })
  await expect(get(opening)).rejects.toThrow(/ECONNREFUSED/)
})

test('a port that is taken, or is none, is one sentence with the remedy', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  onTestFinished(() => void taken.close())
  const { port } = taken.address() as AddressInfo
  await expect(start('--port', String(port))).rejects.toThrow(`something else listens on ${port}.`)
  await expect(start('--port', '70000')).rejects.toThrow('Give a number from 1024 to 65535.')
  await expect(start('--port', '-1')).rejects.toThrow('Give a whole number, 0 or more.')
})
