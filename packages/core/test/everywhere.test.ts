import { memoryStore } from '@sess/conformance'
import { describe, expect, it } from 'vitest'
import type { Session } from '../src/index.ts'
import { altered, bench, codeOf, slow } from './support.ts'

async function loggedIn(options: Parameters<typeof bench>[0] = {}): Promise<ReturnType<typeof bench>> {
  const app = bench(options)
  await app.request(s => {
    s.set('user', 'ada')
    s.subject = 'ada'
  })
  return app
}

const turn = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 2))

describe('log out everywhere: removeBySubject of the subject that the asking session has', () => {
  it.each([
    ['a store that answers at once', memoryStore(), true],
    ['a store that does not', slow(memoryStore()), true],
    ['keys that are not hashed', memoryStore(), false],
  ])('ends that session, and what is set after it is a new one, on %s', async (_, store, hashKeys) => {
    for (const change of [
      (s: Session) => s.set('notice', 'bye'),
      (s: Session) => s.update({ notice: 'bye' }),
      async (s: Session) => {
        s.set('notice', 'bye')
        await s.save()
      },
      async (s: Session) => {
        s.cycleKey()
        s.set('notice', 'bye')
      },
    ]) {
      const app = await loggedIn({ store, hashKeys })
      const old = app.cookie
      await app.request(async s => {
        s.set('dropped', 1)
        // As in an application with a service of its own for it.
        const everywhere = async (): Promise<number> => app.sessions.removeBySubject('ada')
        expect(await everywhere()).toBe(1)
        await change(s)
        expect([s.get('user'), s.subject]).toEqual([undefined, null])
      })
      expect(app.cookie).not.toBe(old)
      expect(await app.peek('notice')).toBe('bye')
      expect(await app.peek('user')).toBeUndefined()
      expect(await app.peek('dropped')).toBeUndefined()
      expect(await app.peek('user', old)).toBeUndefined()
    }
  })

  it('deletes the cookie when nothing is set, touched or not', async () => {
    for (const use of [() => undefined, (s: Session) => s.get('user')]) {
      const app = await loggedIn()
      const { setCookies } = await app.request(async s => {
        await app.sessions.removeBySubject('ada')
        use(s)
      })
      expect(setCookies[0]).toContain('Max-Age=0')
    }
  })

  it.each<[string, (s: Session) => unknown, unknown]>([
    ['sessionKey', s => s.sessionKey, null],
    ['isEmpty', s => s.isEmpty, true],
  ])('is seen by a handler that reads `%s` first', async (_, read, expected) => {
    const app = await loggedIn()
    await app.request(async s => {
      await app.sessions.removeBySubject('ada')
      expect(read(s)).toBe(expected)
    })
  })

  it('may log in again in the same request, after a change of the password, say', async () => {
    const app = await loggedIn()
    await app.request(async s => {
      await app.sessions.removeBySubject('ada')
      s.cycleKey()
      s.subject = 'ada'
    })
    const session = app.sessions.open(app.cookie)
    await session.load()
    expect(session.subject).toBe('ada')
  })

  it('`except` keeps that session, and only that', async () => {
    const app = await loggedIn()
    const [here, there] = [app.cookie, (await loggedIn({ store: app.store })).cookie]
    await app.request(
      async s => {
        await app.sessions.removeBySubject('ada', { except: s })
        s.set('a', 1)
      },
      { cookie: here },
    )
    expect([await app.peek('a', here), await app.peek('user', there)]).toEqual([1, undefined])
    await app.request(
      async s => {
        const other = app.sessions.open(`sessionid=${'b'.repeat(32)}`)
        await app.sessions.removeBySubject('ada', { except: other })
        s.set('b', 1)
      },
      { cookie: here },
    )
    expect(await app.peek('user', here)).toBeUndefined()
    expect(await app.peek('b')).toBe(1)
  })

  it('a rotation of the same request ends with it', async () => {
    for (const saves of [true, false]) {
      const app = await loggedIn()
      const old = app.cookie
      await app.request(async s => {
        s.cycleKey()
        if (saves) await s.save()
        await app.sessions.removeBySubject('ada')
        s.set('notice', 'bye')
      })
      const left: unknown[] = []
      for await (const { payload } of app.store.scan!({ now: app.time.now })) left.push(JSON.parse(payload))
      expect(left.filter(data => !(data as any)._session_superseded)).toEqual([{ notice: 'bye' }])
      expect(await app.peek('user', old)).toBeUndefined()
    }
  })

  it('counts the subject that is stored, not one that the request has set since', async () => {
    const app = await loggedIn()
    await app.request(async s => {
      s.subject = 'bob'
      await app.sessions.removeBySubject('bob')
      s.set('a', 1)
    })
    expect([await app.peek('user'), await app.peek('a')]).toEqual(['ada', 1])
    await app.request(async s => {
      s.subject = 'carl'
      await s.save()
      await app.sessions.removeBySubject('carl')
      s.set('a', 2)
    })
    expect([await app.peek('user'), await app.peek('a')]).toEqual([undefined, 2])
  })

  it('leaves a session of another subject, or of none, alone', async () => {
    const app = await loggedIn()
    await app.request(async s => {
      await app.sessions.removeBySubject('bob')
      s.set('a', 1)
    })
    expect([await app.peek('user'), await app.peek('a')]).toEqual(['ada', 1])
    await app.request(
      async s => {
        s.set('a', 1)
        await app.sessions.removeBySubject('ada')
      },
      { cookie: '' },
    )
    expect(await app.peek('a')).toBe(1)
  })

  it('a session that is loaded after it is not found', async () => {
    const app = await loggedIn({ lazy: true })
    const session = app.sessions.open(app.cookie)
    await app.sessions.removeBySubject('ada')
    await session.load()
    expect(session.get('user')).toBeUndefined()
  })

  it('another request in flight fails as ever: what it sets is no new session [A24]', async () => {
    for (const asks of [true, false]) {
      const app = await loggedIn()
      const thief = app.sessions.open(app.cookie)
      await thief.load()
      const user = thief.get('user')
      await turn()
      // With or without a session of its own, as in the job of an administrator.
      if (asks)
        await app.request(async s => {
          await app.sessions.removeBySubject('ada')
          s.get('user')
        })
      else await app.sessions.removeBySubject('ada')
      await turn()
      thief.set('user', user)
      expect(await codeOf(() => app.sessions.commit(thief, { status: 200 }))).toBe('SESSION_INTERRUPTED')
    }
  })

  it('a request that waits for something else first calls flush(), or fails', async () => {
    const app = await loggedIn()
    const code = await codeOf(() =>
      app.request(async s => {
        await app.sessions.removeBySubject('ada')
        await turn()
        s.set('notice', 'bye')
      }),
    )
    expect(code).toBe('SESSION_INTERRUPTED')
    const other = await loggedIn()
    await other.request(async s => {
      await other.sessions.removeBySubject('ada')
      await turn()
      s.flush()
      s.set('notice', 'bye')
    })
    expect(await other.peek('notice')).toBe('bye')
  })

  it('a removal that fails ends nothing', async () => {
    const inner = memoryStore()
    const down = altered({ removeBySubject: () => Promise.reject(new Error('down')) }, inner)
    const app = await loggedIn({ store: down })
    await app.request(async s => {
      expect(await codeOf(() => app.sessions.removeBySubject('ada'))).toBe('SESSION_STORE')
      s.set('a', 1)
    })
    expect([await app.peek('user'), await app.peek('a')]).toEqual(['ada', 1])
  })
})

describe('a request that ends its own session by key or id', () => {
  const ways: Record<string, (app: ReturnType<typeof bench>, s: Session) => Promise<unknown>> = {
    'delete(sessionKey)': (app, s) => app.sessions.delete(s.sessionKey!),
    'end(id), of a list': async app => {
      for await (const { id } of app.sessions.scanBySubject('ada')) await app.sessions.end(id)
    },
    'removeBySubject of two subjects at once': app =>
      Promise.all(['ada', 'bob'].map(subject => app.sessions.removeBySubject(subject))),
    'removeBySubject and delete at once': (app, s) =>
      Promise.all([app.sessions.delete(s.sessionKey!), app.sessions.removeBySubject('ada')]),
  }

  it.each(
    Object.keys(ways).flatMap(way => [
      [way, memoryStore()] as const,
      [`${way}, with a slow store`, slow(memoryStore())] as const,
    ]),
  )('is logged out as by flush(): %s [S4]', async (name, store) => {
    const way = ways[name.replace(', with a slow store', '')]!
    for (const saveEveryRequest of [false, true]) {
      const app = await loggedIn({ store, saveEveryRequest })
      const old = app.cookie
      await app.request(async s => {
        expect(s.get('user')).toBe('ada')
        await way(app, s)
        s.set('notice', 'bye')
        expect([s.get('user'), s.subject]).toEqual([undefined, null])
      })
      expect(app.cookie).not.toBe(old)
      expect(await app.peek('notice')).toBe('bye')
      expect(await app.peek('user', old)).toBeUndefined()
    }
  })

  it.each(['delete', 'end'] as const)(
    'is logged out as by flush() also by a key or id from before a rotation: %s',
    async method => {
      const app = await loggedIn()
      const first = app.sessions.open(app.cookie)
      const names = { delete: first.sessionKey!, end: (await app.sessions.idOf(first))! }
      for (let n = 0; n < 2; n++) await app.request(s => s.cycleKey())
      await app.request(async s => {
        expect(await app.sessions[method](names[method])).toBe(true)
        s.set('notice', 'bye')
        expect(s.get('user')).toBeUndefined()
      })
      expect(await app.peek('notice')).toBe('bye')
    },
  )

  it('can end it after cycleKey() in the same request: by flush(), or by its id', async () => {
    for (const end of [
      async (_: ReturnType<typeof bench>, s: Session) => s.flush(),
      async (app: ReturnType<typeof bench>, s: Session) =>
        expect(await app.sessions.end((await app.sessions.idOf(s))!)).toBe(true),
    ]) {
      const app = await loggedIn()
      const old = app.cookie
      await app.request(async s => {
        s.cycleKey()
        // The new key is stored with the response. So there is nothing to delete yet.
        expect(await app.sessions.delete(s.sessionKey!)).toBe(false)
        await end(app, s)
      })
      expect([app.cookie, await app.peek('user', old)]).toEqual(['', undefined])
    }
  })

  it('leaves the request alone when it ends another session, or none', async () => {
    const app = await loggedIn()
    const other = await loggedIn({ store: app.store })
    await app.request(async s => {
      expect(await app.sessions.delete(other.cookie.slice('sessionid='.length))).toBe(true)
      expect(await app.sessions.delete(other.cookie.slice('sessionid='.length))).toBe(false)
      s.set('notice', 'kept')
    })
    expect(await app.peek('user')).toBe('ada')
    expect(await app.peek('notice')).toBe('kept')
  })

  it('does not end the session of another request that is under way', async () => {
    const app = await loggedIn()
    const late = app.sessions.open(app.cookie)
    await late.load()
    const key = late.sessionKey!
    await app.sessions.delete(key)
    await turn()
    late.set('notice', 'x')
    expect(await codeOf(() => app.sessions.commit(late, { status: 200 }))).toBe('SESSION_INTERRUPTED')
  })
})
