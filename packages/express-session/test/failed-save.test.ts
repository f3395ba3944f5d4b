import { cacheStore } from '@sess/store-cache'
import { down, type InterceptedStore, intercept } from '@sess/test-fixtures/intercepted-store.ts'
import { expect, it } from 'vitest'
import { original, ours, World } from './world.ts'

// A save that failed is tried again at the end of the response. It must not merge twice what the first attempt has merged.

type Failure = 'not written' | 'written, but reported as failed'

/** A store whose next write fails once `fail` is called. */
interface Failing {
  store: any
  fail(how: Failure): void
}

const stores: Record<string, () => Failing> = {
  'a store for express-session'() {
    const store = new original.MemoryStore()
    return {
      store,
      fail(how) {
        const { set } = store
        store.set = (id: string, session: any, callback: (error: any) => void) => {
          store.set = set
          if (how === 'not written') return callback(new Error('down'))
          set.call(store, id, session, () => callback(new Error('timeout')))
        }
      },
    }
  },
  'a store of Sess'() {
    const inner = cacheStore()
    const store: InterceptedStore = intercept(inner)
    const { replace } = store
    return {
      store,
      fail(how) {
        store.replace = async (...args) => {
          // The first attempt finds that another request was faster.
          const result = how === 'not written' ? 'ok' : await replace(...args)
          if (result !== 'ok') return result
          store.replace = replace
          return down()
        }
      },
    }
  },
}

const failures: Failure[] = ['not written', 'written, but reported as failed']
const cases = Object.entries(stores).flatMap(([name, make]) =>
  failures.map(how => [name, how, make] as const),
)

it.each(cases)('over %s, whose write is %s, a second attempt adds nothing twice', async (_, how, make) => {
  const { store, fail } = make()
  const world = new World(ours)
  const app = await world.serve({ store }, async (req, res) => {
    if (req.url === '/begin') req.session.cart = []
    if (req.url === '/other') req.session.cart.push('theirs')
    if (req.url === '/save') {
      await app.get('/other', { cookie: req.headers.cookie })
      req.session.cart.push('mine')
      fail(how)
      await expect(req.session.save()).rejects.toThrow()
    }
    res.end(JSON.stringify(req.session.cart))
  })
  const { cookie } = await app.get('/begin')
  expect((await app.get('/save', { cookie })).status).toBe(200)
  expect((await app.get('/', { cookie })).body).toBe('["theirs","mine"]')
  await world.close()
})
