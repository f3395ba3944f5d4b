import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { request } from '@sess/test-fixtures/http.ts'
import { freePort, requireServer, type Server, startRedis } from '@sess/test-fixtures/servers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Jar } from './jar.ts'

// The apps of docs/from-express-session.md, run one after the other as a visitor's site would be.

const root = join(import.meta.dirname, '../../..')
const page = readFileSync(join(root, 'docs/from-express-session.md'), 'utf8')
const own = join(root, 'packages/adopt/node_modules')

const PACKAGES: Record<string, string> = {
  express: join(own, 'express'),
  redis: join(own, 'redis'),
  'connect-redis': join(own, 'connect-redis'),
  '@sess/adopt': join(root, 'packages/adopt'),
  '@sess/core': join(root, 'packages/core'),
  '@sess/express': join(root, 'packages/express'),
  '@sess/store-redis': join(root, 'packages/store-redis'),
}

describe.skipIf(!requireServer('redis'))('docs/from-express-session.md', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sess-from-'))
  let redis: Server
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(async () => {
    await redis.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  /** A folder with the file of the page, and with that package under the name `express-session`. */
  function install(file: string, expressSession: string | undefined): string {
    const place = mkdtempSync(join(folder, 'app-'))
    const packages = { ...PACKAGES, ...(expressSession && { 'express-session': expressSession }) }
    for (const [name, target] of Object.entries(packages)) {
      const at = join(place, 'node_modules', name)
      mkdirSync(dirname(at), { recursive: true })
      symlinkSync(target, at, 'dir')
    }
    writeFileSync(join(place, 'package.json'), '{ "type": "module" }')
    const code = new RegExp(`^\`\`\`js file=${file}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(page)?.[1]
    writeFileSync(join(place, file), code ?? '')
    expect(code).toContain('app.listen')
    return place
  }

  /** Runs the app for as long as `use` takes. */
  async function running(
    file: string,
    expressSession: string | undefined,
    use: (url: string) => Promise<void>,
  ) {
    const port = await freePort()
    const cwd = install(file, expressSession)
    const env = { ...process.env, PORT: String(port), REDIS_URL: redis.url, SESSION_SECRET: 'keyboard cat' }
    const app = spawn(process.execPath, [file], { cwd, env, stdio: ['ignore', 'inherit', 'inherit'] })
    const url = `http://127.0.0.1:${port}`
    try {
      await expect.poll(() => ask(url, app), { timeout: 30_000, interval: 50 }).toBe(200)
      await use(url)
    } finally {
      const exit = once(app, 'exit')
      if (app.kill()) await exit
    }
  }

  async function ask(url: string, app: ChildProcess): Promise<number | string> {
    if (app.exitCode !== null) throw new Error(`The app ended with ${app.exitCode}.`)
    return request(`${url}/`).then(
      ({ status }) => status,
      (error: Error) => error.message,
    )
  }

  const jar = new Jar()
  const post = async (url: string, path: string) => {
    const answer = await request(url + path, { method: 'POST', cookie: jar.header })
    jar.keep(answer.setCookies)
    return answer.status
  }
  const original = join(own, 'express-session')
  const facade = join(root, 'packages/express-session')

  it('before: a visitor logs in', async () => {
    await running('before.js', original, async url => {
      expect(await post(url, '/login')).toBe(302)
      await post(url, '/cart/tea')
      expect((await jar.get(url)).json).toEqual({ userId: 42, cart: ['tea'] })
    })
  }, 120_000)

  it('as it is: the cookie stays valid, parallel requests merge, and the way back is open', async () => {
    await running('before.js', facade, async url => {
      expect((await jar.get(url)).json).toEqual({ userId: 42, cart: ['tea'] })
      await Promise.all([post(url, '/cart/milk'), post(url, '/cart/bread')])
      const { cart } = (await jar.get(url)).json
      expect(cart.slice(1).sort()).toEqual(['bread', 'milk'])
    })
    await running('before.js', original, async url => {
      expect((await jar.get(url)).json).toMatchObject({ userId: 42 })
    })
    expect([...jar.cookies.keys()]).toEqual(['connect.sid'])
  }, 120_000)

  it('adopt: the visitor is still logged in, with the old data', async () => {
    await running('adopt.js', undefined, async url => {
      const { userId, cart } = (await jar.get(url)).json
      expect([userId, cart.length]).toEqual([42, 3])
      expect([...jar.cookies.keys()]).toEqual(['sessionid'])
      await Promise.all([post(url, '/cart/jam'), post(url, '/cart/salt')])
      expect((await jar.get(url)).json.cart).toHaveLength(5)
    })
  }, 120_000)

  it('adopt: old and new handlers have a session each', async () => {
    const both = new Jar()
    await running('both.js', facade, async url => {
      await both.get(url)
      expect((await both.get(url)).json).toMatchObject({ old: expect.any(Number), new: expect.any(Number) })
      const { json } = await both.get(url)
      expect(json).toEqual({ old: 3, new: 3 })
      expect([...both.cookies.keys()].sort()).toEqual(['connect.sid', 'sessionid'])
    })
  }, 120_000)

  it('rewrite: the same session goes with the app, until the logout', async () => {
    await running('rewritten.js', undefined, async url => {
      expect((await jar.get(url)).json).toMatchObject({
        userId: 42,
        cart: expect.arrayContaining(['tea', 'jam']),
      })
      expect(await post(url, '/logout')).toBe(302)
      expect((await jar.get(url)).json).toEqual({})
      expect(jar.header).toBe('')
    })
  }, 120_000)
})
