import { expect, it } from 'vitest'
import { original, ours, World } from './world.ts'

// `touch` of session-file-store reads the file and writes it again, and fails with ENOENT if there is none.

/** A store like it. Each `touch` waits between its two steps until `goOn` is called. */
function makeStore() {
  const store = new original.MemoryStore()
  let paused: { begun(): void; goOn: Promise<void> } | undefined
  store.touch = (id: string, { cookie }: any, callback: (error?: any) => void) => {
    store.get(id, async (error: any, found: any) => {
      paused?.begun()
      await paused?.goOn
      if (error || !found)
        return callback(error ?? Object.assign(new Error('ENOENT: no file'), { code: 'ENOENT' }))
      store.set(id, { ...found, cookie }, callback)
    })
  }
  /** From now on each `touch` waits. */
  const pause = () => {
    const [begun, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    paused = { begun: begun.resolve, goOn: goOn.promise }
    return { begun: begun.promise, goOn: goOn.resolve }
  }
  return { store, pause }
}

it('does not write back what a slow touch has read before another request saved', async () => {
  const { store, pause } = makeStore()
  const world = new World(ours)
  const app = await world.serve({ store }, (req, res) => {
    if (req.url === '/write') req.session.n = (req.session.n ?? 0) + 1
    res.end(String(req.session.n))
  })
  const { cookie } = await app.get('/write')
  const { begun, goOn } = pause()
  const reading = app.get('/', { cookie })
  await begun
  const writing = app.get('/write', { cookie })
  // Long enough for a save that does not wait for its turn.
  await Promise.race([writing, new Promise(resolve => setTimeout(resolve, 200))])
  goOn()
  await Promise.all([reading, writing])
  expect((await app.get('/', { cookie })).body).toBe('2')
  await world.close()
})

it('sends the page of a request that changed nothing while the session ended', async () => {
  const { store } = makeStore()
  const world = new World(ours)
  const [begun, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const app = await world.serve({ store }, async (req, res) => {
    if (req.url === '/begin') req.session.n = 1
    if (req.url === '/slow') {
      begun.resolve()
      await goOn.promise
    }
    if (req.url === '/logout') return req.session.destroy(() => res.end())
    res.end(String(req.session.n))
  })
  const { cookie } = await app.get('/begin')
  const slow = app.get('/slow', { cookie })
  await begun.promise
  await app.get('/logout', { cookie })
  goOn.resolve()
  expect(await slow).toMatchObject({ status: 200, body: '1' })
  expect((await app.get('/', { cookie })).body).toBe('undefined')
  await world.close()
})

it.each(['/logout', '/login', '/unset'])(
  'does not bring back a session that %s ends during a save',
  async path => {
    const { store } = makeStore()
    const world = new World(ours)
    const app = await world.serve({ store, unset: 'destroy' }, async (req, res) => {
      if (req.url === '/logout') return req.session.destroy(() => res.end())
      if (req.url === '/login') return req.session.regenerate(() => res.end())
      if (req.url === '/unset') req.session = null
      else if (req.url !== '/') req.session.n = (req.session.n ?? 0) + 1
      res.end(String(req.session?.n))
    })
    const { cookie } = await app.get('/begin')
    const { get, destroy } = store
    const [read, goOn, destroyed] = [0, 1, 2].map(() => Promise.withResolvers<void>())
    let reads = 0
    store.get = (id: string, callback: any) => {
      get.call(store, id, async (...found: unknown[]) => {
        // The second one belongs to the save of /write.
        if (++reads === 2) {
          read!.resolve()
          await goOn!.promise
        }
        callback(...found)
      })
    }
    store.destroy = (id: string, callback: any) => {
      destroyed!.resolve()
      destroy.call(store, id, callback)
    }
    const writing = app.get('/write', { cookie })
    await read!.promise
    const ending = app.get(path, { cookie })
    // Long enough for an end that does not wait for its turn.
    await Promise.race([destroyed!.promise, new Promise(resolve => setTimeout(resolve, 200))])
    goOn!.resolve()
    expect((await ending).status).toBe(200)
    expect((await writing).status).toBe(200)
    expect((await app.get('/', { cookie })).body).toBe('undefined')
    await world.close()
  },
)
