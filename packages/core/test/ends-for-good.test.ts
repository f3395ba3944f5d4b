import { memoryStore } from '@sess/conformance'
import { describe, expect, it } from 'vitest'
import { commit } from '../src/commit.ts'
import type { StoredRecord } from '../src/index.ts'
import { resolveOptions } from '../src/options.ts'
import { Session, stateOf } from '../src/session.ts'
import { SessionState } from '../src/session-state.ts'
import { altered, bench, codeOf, START, slow } from './support.ts'

async function liveIn(app: ReturnType<typeof bench>): Promise<string[]> {
  const live: string[] = []
  for await (const { payload } of app.store.scan!({ now: START })) live.push(payload)
  return live
}

describe('a logout', () => {
  it('with the first key of 4,000 rotations ends the newest session', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    const first = app.cookie
    for (let n = 0; n < 4_000; n++) await app.request(s => s.cycleKey())
    expect(await app.peek('a')).toBe(1)
    await app.request(s => s.flush(), { cookie: first })
    expect(await app.peek('a')).toBeUndefined()
    expect(await liveIn(app)).toEqual([])
  })

  it('on a chain of markers ends with its time, as any commit', async () => {
    const inner = memoryStore()
    const app = bench({ store: inner })
    await app.request(s => s.set('a', 1))
    const first = app.cookie
    for (let n = 0; n < 100; n++) await app.request(s => s.cycleKey())
    const late = altered(
      {
        read: async (id, context) => {
          await new Promise(resolve => setTimeout(resolve, 5))
          return inner.read(id, context)
        },
      },
      inner,
    )
    const busy = bench({ store: late, timeout: 30 })
    const code = await codeOf(() => busy.request(s => s.flush(), { cookie: first }))
    expect(code).toBe('SESSION_STORE')
    // Nothing was removed: the next try finds the way again.
    await app.request(s => s.flush(), { cookie: first })
    expect(await liveIn(app)).toEqual([])
  })

  it('on markers that lead in a circle ends', async () => {
    const records = new Map<string, StoredRecord>()
    const app = bench({ store: memoryStore(records) })
    await app.request(s => s.set('a', 1))
    const first = app.cookie
    await app.request(s => s.cycleKey())
    const [marker, newest] = [...records.keys()]
    const payload = JSON.stringify({ _session_superseded: marker })
    records.set(newest!, { ...records.get(newest!)!, payload })
    await app.request(s => s.flush(), { cookie: first })
    expect(records.size).toBe(0)
  })

  it('while the clock is fast ends the session all the same [F23]', async () => {
    const app = bench({ age: 100 })
    await app.request(s => s.set('a', 1))
    app.time.now += 200_000
    const { setCookies } = await app.request(s => s.flush())
    expect(setCookies[0]).toContain('Max-Age=0')
    expect(app.calls).toEqual(['insert', 'read', 'read', 'remove'])
    app.time.now = START
    expect(await liveIn(app)).toEqual([])
  })

  it('with the old key, once its marker has expired, leaves the session alone', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    const old = app.cookie
    await app.request(s => s.cycleKey())
    const { cookie } = app
    app.time.now += 30_000
    await app.request(s => s.flush(), { cookie: old })
    expect(await app.peek('a', cookie)).toBe(1)
  })

  it('so does sessions.delete(), which says that there was no live one [F23]', async () => {
    const app = bench({ age: 100 })
    await app.request(s => s.set('a', 1))
    app.time.now += 200_000
    expect(await app.sessions.delete(app.cookie.slice(10))).toBe(false)
    expect(await liveIn(app)).toEqual([])
  })

  it('with a key of no session asks once more, and removes nothing', async () => {
    const app = bench()
    await app.request(s => s.flush(), { cookie: `sessionid=${'a'.repeat(32)}` })
    expect(app.calls).toEqual(['read', 'read'])
  })
})

describe('the queue of requests that have lost a race', () => {
  it('is as long as the number of records contested, and empty when they are done, however they end', async () => {
    const inner = memoryStore()
    const app = bench({ store: inner })
    const cookies: string[] = []
    for (let n = 0; n < 5; n++) {
      await app.request(s => s.set('n', 0), { cookie: '' })
      cookies.push(app.cookie)
    }
    let fails = 0
    let longest = 0
    const settings = resolveOptions({
      clock: () => START,
      timeout: 40,
      store: slow(
        altered(
          {
            replace: (id, record, version, context) => {
              longest = Math.max(longest, settings.engine.queue.size)
              // Some fail, and some never win.
              if (++fails % 7 === 0) throw new Error('down')
              if (/"n":3/.test(record.payload)) return 'stale'
              return inner.replace(id, record, version, context)
            },
          },
          inner,
        ),
      ),
    })
    const codes = await Promise.all(
      cookies.flatMap(cookie =>
        Array.from({ length: 10 }, async () => {
          const session = new Session(new SessionState(settings, cookie))
          await session.load()
          session.update('n', n => n + 1)
          return codeOf(() => commit(stateOf(session), { status: 200 }))
        }),
      ),
    )
    expect(new Set(codes)).toEqual(new Set([undefined, 'SESSION_STORE', 'SESSION_CONFLICT']))
    expect(longest).toBeGreaterThan(1)
    expect(longest).toBeLessThanOrEqual(cookies.length)
    expect(settings.engine.queue.size).toBe(0)
  })
})
