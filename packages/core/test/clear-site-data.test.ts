import { expect, it } from 'vitest'
import { applyTo } from '../src/adapter.ts'
import type { FlushOptions } from '../src/index.ts'
import { altered, bench, codeOf } from './support.ts'

const FIELD = 'clear-site-data'

it('adds the header to the response of a logout, and to no other', async () => {
  const app = bench()
  expect((await app.request(session => session.set('a', 1))).headers).toBeUndefined()
  const out = await app.request(session => session.flush({ clearSiteData: ['cache', 'storage'] }))
  expect(out.headers).toEqual({ [FIELD]: '"cache", "storage"' })
  expect(out.setCookies[0]).toMatch(/^sessionid=;.*Max-Age=0/)
  expect((await app.request(session => session.flush())).headers).toBeUndefined()
})

it('adds it if there is no session to end, after a failed handler, and if the session begins anew', async () => {
  const app = bench()
  const flush = (options: FlushOptions) => app.request(session => session.flush(options))
  expect((await flush({ clearSiteData: ['*'] })).headers).toEqual({ [FIELD]: '"*"' })
  await app.request(session => session.set('a', 1))
  const out = await app.request(
    session => {
      session.flush({ clearSiteData: ['storage'] })
      session.flush()
    },
    { status: 500 },
  )
  expect(out.headers).toEqual({ [FIELD]: '"storage"' })
  const anew = await app.request(async session => {
    session.flush({ clearSiteData: ['storage'] })
    session.set('notice', 'bye')
    await session.save()
  })
  expect(anew.headers).toEqual({ [FIELD]: '"storage"' })
  expect(anew.setCookies).toHaveLength(1)
})

it('leaves it out of the error response of a logout that failed', async () => {
  const app = bench({ store: altered({ remove: () => Promise.reject(new Error('down')) }) })
  await app.request(session => session.set('a', 1))
  const session = app.sessions.open(app.cookie)
  await session.load()
  session.flush({ clearSiteData: ['storage'] })
  expect(await codeOf(() => app.sessions.commit(session, { status: 200 }))).toBe('SESSION_STORE')
  expect(await app.sessions.commit(session, { status: 503 })).not.toHaveProperty('headers')
})

it.each([
  [{ clearSiteData: [] }],
  [{ clearSiteData: ['store'] }],
  [{ clearSiteData: 'storage' }],
  [{ clearSiteDate: ['storage'] }],
  ['storage'],
  [null],
])('rejects %j before the session has ended', async options => {
  const app = bench()
  await app.request(session => session.set('a', 1))
  await app.request(session => {
    expect(() => session.flush(options as FlushOptions)).toThrow(/clearSiteData/)
    expect(session.get('a')).toBe(1)
  })
})

it('is added to a list of the application', () => {
  const headers = new Headers({ [FIELD]: '"cache"', 'x-other': 'app' })
  applyTo(headers, {
    setCookies: [],
    vary: false,
    private: false,
    headers: { [FIELD]: '"storage"', 'x-other': 'ours' },
  })
  expect([...headers]).toEqual([
    [FIELD, '"cache", "storage"'],
    ['x-other', 'ours'],
  ])
})
