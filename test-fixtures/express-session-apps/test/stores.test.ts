import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Program } from '@sess/test-fixtures/program.ts'
import { requireServer, type Server, startPostgres, startRedis } from '@sess/test-fixtures/servers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { libraries, runOnEach } from './libraries.ts'
import { Visitor } from './visitor.ts'

const hasServers = requireServer('redis') && requireServer('postgres')

describe.skipIf(!hasServers)('stores for express-session', () => {
  let redis: Server
  let postgres: Server
  let apps: Awaited<ReturnType<typeof runOnEach>>
  const folder = mkdtempSync(join(tmpdir(), 'session-files-'))
  beforeAll(async () => {
    ;[redis, postgres] = await Promise.all([startRedis(), startPostgres()])
    const env = { REDIS: redis.url, POSTGRES: postgres.url, FOLDER: folder }
    apps = await runOnEach('stores.mjs', env, libraries.slice(0, 2))
  })
  afterAll(async () => {
    await apps?.stop()
    await Promise.all([redis?.stop(), postgres?.stop()])
    rmSync(folder, { recursive: true, force: true })
  })

  const names = ['connect-redis', 'connect-pg-simple', 'memorystore', 'session-file-store']

  describe.each([libraries[0], libraries[1]])('on $name', ({ name: library }) => {
    let app: Program
    beforeAll(() => {
      app = apps.on(library)
    })

    const add = (visitor: Visitor, store: string, item: string): Promise<any> =>
      visitor.go(`${app.url}/${store}/items`, { form: { item } }).then(page => page.json())

    it.each(names)('%s keeps, regenerates and destroys a session', async store => {
      const visitor = new Visitor()
      await add(visitor, store, 'tea')
      const { id } = await add(visitor, store, 'honey')
      // express-session saves after the response, so it takes a moment.
      const itemsOf = async (): Promise<unknown> => (await visitor.go(`${app.url}/${store}/`)).json().items
      await expect.poll(itemsOf).toEqual(['tea', 'honey'])
      const stored = (await visitor.go(`${app.url}/${store}/stored`)).json()
      expect(stored).toMatchObject({
        cookie: { originalMaxAge: expect.closeTo(60_000, -2), path: '/', httpOnly: true },
      })

      const old = new Visitor()
      old.cookies.set(store, visitor.cookies.get(store)!)
      const after = (await visitor.go(`${app.url}/${store}/login`, { form: { user: 'ada' } })).json()
      expect(after).toMatchObject({ user: 'ada' })
      expect(after.id).not.toBe(id)
      expect((await old.go(`${app.url}/${store}/`)).json().items).toBeUndefined()

      await visitor.go(`${app.url}/${store}/logout`, { method: 'POST' })
      expect((await visitor.go(`${app.url}/${store}/`)).json().user).toBeUndefined()
    })
  })

  it('keep their sessions when Sess takes the place of express-session, and back', async () => {
    // memorystore loses its sessions with its process.
    const lasting = names.filter(name => name !== 'memorystore')
    const visitor = new Visitor()
    const ids = new Set<string>()
    for (const [n, library] of [libraries[0], libraries[1], libraries[0]].entries()) {
      const app = apps.on(library.name)
      for (const store of lasting) {
        const page = await visitor.go(`${app.url}/${store}/items`, { form: { item: String(n) } })
        expect(page.json().items, store).toHaveLength(n + 1)
        ids.add(page.json().id)
      }
    }
    expect(ids.size).toBe(lasting.length)
  })

  // express-session loses the item and stores the session that was logged out. With session-file-store it depends: the
  // extension of a session's life by the next request may overwrite the file.
  const lossy = names.filter(name => name !== 'session-file-store')
  const lost = expect.objectContaining({ items: ['tea'], late: true })
  it.each([
    { library: libraries[0], stores: lossy, items: ['tea'], status: 200, after: lost },
    { library: libraries[1], stores: names, items: ['tea', 'honey'], status: 400, after: null },
  ])('two requests overlap on $library.name', async ({ library, stores, items, status, after }) => {
    const app = apps.on(library.name)
    await Promise.all(
      stores.map(async store => {
        const url = `${app.url}/${store}`
        /** Does something while a request that changes the session is running. Returns that one's status. */
        const during = async (visitor: Visitor, n: number, work: () => Promise<unknown>): Promise<number> => {
          const slow = visitor.go(`${url}/slow?n=${n}`)
          await app.line(`slow ${store} ${n}`)
          await work()
          await visitor.go(`${url}/go-on`, { method: 'POST' })
          return (await slow).status
        }
        const visitor = new Visitor()
        await visitor.go(`${url}/items`, { form: { item: 'tea' } })
        const add = (): Promise<unknown> => visitor.go(`${url}/items`, { form: { item: 'honey' } })
        expect(await during(visitor, 1, add)).toBe(200)
        // express-session saves after the response, so it takes a moment.
        const storedOf = async (whose: Visitor): Promise<unknown> => (await whose.go(`${url}/stored`)).json()
        await expect.poll(() => storedOf(visitor), { message: store }).toMatchObject({ items, late: true })

        const other = new Visitor()
        await other.go(`${url}/items`, { form: { item: 'tea' } })
        const old = other.cookies.get(store)!
        const logOut = (): Promise<unknown> => other.go(`${url}/logout`, { method: 'POST' })
        expect(await during(other, 2, logOut), store).toBe(status)
        other.cookies.set(store, old)
        await expect.poll(() => storedOf(other), { message: store }).toEqual(after)
      }),
    )
  })

  it('on Sess keep what parallel requests add while others extend the life of the session', async () => {
    const app = apps.on(libraries[1].name)
    for (const store of names) {
      const url = `${app.url}/${store}`
      const visitor = new Visitor()
      await visitor.go(`${url}/items`, { form: { item: 'tea' } })
      const items = Array.from({ length: 8 }, (_, n) => `item ${n}`)
      await Promise.all(
        items.flatMap(item => [
          visitor.go(`${url}/`),
          visitor.go(`${url}/items`, { form: { item }, follow: false }),
          visitor.go(`${url}/`),
        ]),
      )
      const { items: kept } = (await visitor.go(`${url}/`)).json()
      expect(kept.sort(), store).toEqual([...items, 'tea'])
    }
  })
})
