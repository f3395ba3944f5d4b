import { createHash } from 'node:crypto'
import { memoryStore } from '@sess/conformance'
import { encryptedCookieStore } from '@sess/store-cookie'
import { describe, expect, it } from 'vitest'
import {
  type CommitResult,
  createSessions,
  type Session,
  type Store,
  type StoredRecord,
} from '../src/index.ts'
import { altered, bench, codeOf, START, slow } from './support.ts'

const KEY = /^sessionid=([a-z0-9]{32});/
/** A store whose inserts can be made to fail. */
function fallible(): { store: Store; inserts: { fail: boolean } } {
  const memory = memoryStore()
  const inserts = { fail: false }
  const insert: Store['insert'] = (...args) => {
    if (inserts.fail) throw new Error('down')
    return memory.insert(...args)
  }
  return { store: altered({ insert }, memory), inserts }
}

/** A session of a known id. */
const COOKIE = `sessionid=${'a'.repeat(32)}`
const ID = createHash('sha256').update(COOKIE).digest('hex').slice(0, 40)

describe('pay for what you use', () => {
  it('no cookie and nothing written: no store call, no header, no promise [I4, C9]', () => {
    const { sessions, calls } = bench()
    const session = sessions.open(undefined)
    expect(session.load()).toBeUndefined()
    expect(sessions.commit(session, { status: 200 })).toEqual({ setCookies: [], vary: false, private: false })
    expect(calls).toEqual([])
  })

  it('a look alone is Vary and nothing else [A19]', () => {
    for (const look of ['get', 'has', 'size', 'keys', 'data', 'json', 'spread'] as const) {
      const { sessions, calls } = bench()
      const session = sessions.open()
      if (look === 'get' || look === 'has') session[look]('a')
      else if (look === 'size') expect(session.size).toBe(0)
      else if (look === 'keys') session.keys()
      else if (look === 'data') expect(session.data['a']).toBeUndefined()
      else if (look === 'json') expect(JSON.stringify(session)).toBe('{}')
      else expect([...session]).toEqual([])
      expect(sessions.commit(session, { status: 200 })).toEqual({
        setCookies: [],
        vary: true,
        private: false,
      })
      expect(calls).toEqual([])
    }
  })

  it('a read is one store call, a write two, a new session one', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    expect(app.calls.splice(0)).toEqual(['insert'])
    await app.request(s => s.get('a'))
    expect(app.calls.splice(0)).toEqual(['read'])
    await app.request(s => s.set('a', 2))
    expect(app.calls.splice(0)).toEqual(['read', 'replace'])
    await app.request()
    expect(app.calls.splice(0)).toEqual(['read'])
    await app.request(s => s.flush())
    expect(app.calls.splice(0)).toEqual(['read', 'remove'])
  })

  it('lazy: untouched is no store call, touched before load() is an error', async () => {
    const app = bench({ lazy: true })
    expect(app.sessions.lazy).toBe(true)
    await app.request(s => s.set('a', 1))
    app.calls.length = 0
    const session = app.sessions.open(app.cookie)
    expect(await codeOf(() => session.get('a'))).toBe('SESSION_NOT_LOADED')
    expect(app.sessions.commit(app.sessions.open(app.cookie), { status: 200 })).toEqual({
      setCookies: [],
      vary: false,
      private: false,
    })
    expect(app.calls).toEqual([])
    await session.load()
    expect(session.get('a')).toBe(1)
  })

  it('a key of another form is never looked up, and its cookie is removed [A4, C10, C23, F31]', async () => {
    for (const key of [
      '',
      'abc',
      'A'.repeat(32),
      `${'a'.repeat(31)}*`,
      '../../etc/passwd',
      'a'.repeat(33),
      "x' OR 1=1",
    ]) {
      const app = bench()
      const { setCookies } = await app.request(s => s.get('a'), { cookie: `sessionid=${key}` })
      expect(app.calls).toEqual([])
      expect(setCookies).toEqual([
        'sessionid=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/; HttpOnly; SameSite=Lax; Secure',
      ])
    }
  })

  it('an unknown key writes nothing, sets nothing, and is not adopted [A3, C4, C9]', async () => {
    const app = bench({ saveEveryRequest: true })
    const unknown = 'unknownkey0000000000000000000000'
    const { setCookies } = await app.request(s => s.get('a'), { cookie: `sessionid=${unknown}` })
    expect(setCookies[0]).toContain('Max-Age=0')
    expect(app.calls).toEqual(['read'])
    await app.request(s => s.set('a', 1), { cookie: `sessionid=${unknown}` })
    expect(app.cookie).not.toContain(unknown)
    expect(await app.sessions.exists(unknown)).toBe(false)
  })

  it('of two different cookies of our name neither is used, and a hook is called [A18, F31]', async () => {
    const corrupt: unknown[] = []
    const app = bench({ hooks: { corrupt: event => corrupt.push(event) } })
    await app.request(s => s.set('a', 1))
    app.calls.length = 0
    const twice = `${app.cookie}; sessionid=${'b'.repeat(32)}`
    const result = await app.request(s => expect(s.get('a')).toBeUndefined(), { cookie: twice })
    // What of these cookies may be ours is left alone: tossed-cookies.test.ts tells what is deleted.
    expect(result).toEqual({
      setCookies: [expect.stringMatching(/^sessionid=; Max-Age=0; .*; Partitioned; Secure$/)],
      vary: true,
      private: true,
    })
    expect(app.calls).toEqual([])
    expect(corrupt).toEqual([{ reason: 'cookie', id: undefined }])
    expect(await app.peek('a', `${keepOne(twice)}; ${keepOne(twice)}`)).toBe(1)
  })
})

const keepOne = (header: string): string => header.split('; ')[0]!

describe('what a commit does, in its order', () => {
  it('a new session is inserted, and its cookie sent [A1, A6, A10, A11]', async () => {
    const app = bench()
    const result = await app.request(s => s.set('a', 1))
    expect(result.vary && result.private).toBe(true)
    expect(result.setCookies).toHaveLength(1)
    expect(result.setCookies[0]).toMatch(KEY)
    expect(result.setCookies[0]).toMatch(
      /; Max-Age=1209600; Expires=Tue, 28 Nov 2023 22:13:20 GMT; Path=\/; HttpOnly; SameSite=Lax; Secure$/,
    )
    expect(await app.peek('a')).toBe(1)
  })

  it('flush removes the record and the cookie, whatever the status [A23, C7]', async () => {
    for (const status of [200, 404, 500]) {
      const app = bench()
      await app.request(s => s.set('a', 1))
      const old = app.cookie
      const { setCookies } = await app.request(s => s.flush(), { status })
      expect(setCookies[0]).toContain('Max-Age=0')
      expect(await app.peek('a', old)).toBeUndefined()
    }
  })

  it('secure as a function is asked when a cookie is set, and then once [A20]', async () => {
    const app = bench()
    let asked = 0
    const commit = async (handle: (session: Session) => unknown, tls: boolean): Promise<CommitResult> => {
      const session = app.sessions.open()
      handle(session)
      return app.sessions.commit(session, { status: 200, secure: () => ++asked > 0 && tls })
    }
    await commit(session => session.get('k'), true)
    expect(asked).toBe(0)
    expect((await commit(session => session.set('k', 1), true)).setCookies[0]).toMatch(/; Secure$/)
    expect((await commit(session => session.set('k', 1), false)).setCookies[0]).not.toMatch(/Secure/)
    expect(asked).toBe(2)
  })

  it('a status from 500 on saves nothing and sends nothing [F28]', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    const result = await app.request(s => s.set('a', 2), { status: 500 })
    expect(result).toEqual({ setCookies: [], vary: true, private: false })
    await app.request(s => s.cycleKey(), { status: 503 })
    expect(await app.peek('a')).toBe(1)
    await app.request(s => s.set('a', 3), { status: 499 })
    expect(await app.peek('a')).toBe(3)
  })

  it('of keys only one that is stored is sent: not that of a cycleKey() or create() that was not carried out', async () => {
    const app = bench()
    let saved: string | null = null
    const rotated = await app.request(
      async s => {
        s.set('a', 1)
        await s.save()
        saved = s.sessionKey
        s.cycleKey()
      },
      { status: 500 },
    )
    expect(rotated.setCookies[0]).toMatch(new RegExp(`^sessionid=${saved};`))
    expect(await app.peek('a')).toBe(1)

    const { store, inserts } = fallible()
    const created = await bench({ store }).request(async s => {
      s.set('a', 1)
      await s.create()
      saved = s.sessionKey
      inserts.fail = true
      expect(await codeOf(() => s.create())).toBe('SESSION_STORE')
      s.modified = false
    })
    expect(created.setCookies[0]).toMatch(new RegExp(`^sessionid=${saved};`))
  })

  it('flush, then a save that fails: no cookie of what is not stored', async () => {
    const { store, inserts } = fallible()
    const app = bench({ store })
    for (const stays of [true, false]) {
      inserts.fail = false
      await app.request(s => s.set('a', 1))
      inserts.fail = true
      const ending = app.request(async s => {
        s.flush()
        expect(await codeOf(() => s.save({ mustCreate: true }))).toBe('SESSION_STORE')
        inserts.fail = stays
      })
      if (stays) expect(await codeOf(() => ending)).toBe('SESSION_STORE')
      else {
        const [cookie] = (await ending).setCookies
        expect(await app.sessions.exists(KEY.exec(cookie!)![1]!)).toBe(true)
      }
    }
  })

  it('a `secure` that throws does so before anything is stored [A20]', async () => {
    const app = bench()
    const session = app.sessions.open()
    session.set('a', 1)
    const secure = (): boolean => {
      throw new Error('of the application')
    }
    expect(() => app.sessions.commit(session, { status: 200, secure })).toThrow('of the application')
    expect(app.calls).toEqual([])
  })

  it('a key that an explicit save stored is sent, whatever the status', async () => {
    const app = bench()
    const { setCookies } = await app.request(
      async s => {
        s.set('a', 1)
        await s.save()
        s.set('a', 2)
      },
      { status: 500 },
    )
    expect(setCookies[0]).toMatch(KEY)
    expect(await app.peek('a')).toBe(1)
  })

  it('flush, then something new: the old record is gone, the new session has another key', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    const old = app.cookie
    await app.request(s => {
      s.flush()
      s.set('b', 2)
    })
    expect(app.cookie).not.toBe(old)
    expect(await app.peek('b')).toBe(2)
    expect(await app.peek('a')).toBeUndefined()
    expect(await app.peek('a', old)).toBeUndefined()
  })

  it('an emptied session stays, empty, under its key [C7]', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    const before = app.cookie
    await app.request(s => s.clear())
    expect(app.cookie).toBe(before)
    expect(await app.peek('a')).toBeUndefined()
    expect(await app.sessions.exists(app.cookie.slice(10))).toBe(true)
  })

  it('a session that was set and emptied before it was ever stored is not stored', async () => {
    const app = bench()
    const result = await app.request(s => {
      s.set('a', 1)
      s.delete('a')
    })
    expect(result).toEqual({ setCookies: [], vary: true, private: false })
    expect(app.calls).toEqual([])
  })

  it('modified = false by hand: nothing is saved', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    await app.request(s => {
      s.set('a', 2)
      s.modified = false
    })
    expect(await app.peek('a')).toBe(1)
  })

  it('modified = true by hand saves, and renews the life', async () => {
    const app = bench({ trackMutations: false })
    await app.request(s => s.set('list', [1]))
    app.time.now += 1000
    const { setCookies } = await app.request(s => {
      s.get('list').push(2)
      s.modified = true
    })
    expect(setCookies).toHaveLength(1)
    expect(await app.peek('list')).toEqual([1, 2])
  })

  it('modified = true, or an empty update, saves a session that nothing looked at, too', async () => {
    for (const handle of [(s: Session) => s.update({}), (s: Session) => (s.modified = true)]) {
      const app = bench()
      await app.request(s => s.set('a', 1))
      app.calls.length = 0
      expect((await app.request(handle)).setCookies).toHaveLength(1)
      expect(app.calls).toEqual(['read', 'replace'])
      expect((await bench().request(handle)).setCookies).toEqual([])
    }
  })

  it('a session that save() makes counts as modified; one that it replaces does not', async () => {
    const app = bench()
    await app.request(async s => {
      await s.save()
      expect(s.modified).toBe(true)
    })
    await app.request(async s => {
      await s.save()
      expect(s.modified).toBe(false)
    })
    const inCookie = createSessions({
      store: encryptedCookieStore(),
      secret: 'kJ3xv9QpL7tWm2RzB8nYd5HsFg4cVa6e',
    }).open()
    await inCookie.save()
    expect(inCookie.modified).toBe(true)
  })

  it('a second commit does nothing and returns the same', async () => {
    const app = bench({ store: slow(memoryStore()) })
    const session = app.sessions.open()
    session.set('a', 1)
    const first = app.sessions.commit(session, { status: 200 })
    const second = app.sessions.commit(session, { status: 500 })
    expect(await second).toBe(await first)
    expect(await app.sessions.commit(session, { status: 200 })).toBe(await first)
    expect(app.calls).toEqual(['insert'])
  })

  it('over a synchronous store the commit is synchronous, and a second one once the first is done', async () => {
    const app = bench()
    const session = app.sessions.open()
    session.set('a', 1)
    expect(app.sessions.commit(session, { status: 200 })).toMatchObject({ vary: true, private: true })
    const late = bench({ store: slow(memoryStore()) })
    const other = late.sessions.open()
    other.set('a', 1)
    const first = await late.sessions.commit(other, { status: 200 })
    expect(late.sessions.commit(other, { status: 200 })).toBe(first)
  })

  it('a session that save() stored is not stored again, and its cookie lives as long as it', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    app.calls.length = 0
    app.time.now += 60_000
    const { setCookies } = await app.request(async s => {
      s.set('a', 2)
      await s.save()
    })
    expect(setCookies[0]).toContain('Expires=Tue, 28 Nov 2023 22:14:20 GMT')
    // The last: the key may have been rotated since.
    expect(app.calls).toEqual(['read', 'replace', 'read'])
  })

  it('a nested mutation that save() stored counts as modified, and the browser learns the new end', async () => {
    const app = bench({ age: 100 })
    await app.request(s => s.set('list', [1]))
    app.time.now += 60_000
    const { setCookies } = await app.request(async s => {
      s.get('list').push(2)
      expect(s.modified).toBe(false)
      await s.save()
      expect(s.modified).toBe(true)
    })
    expect(setCookies).toEqual([expect.stringContaining('Max-Age=100;')])
    expect(await app.peek('list')).toEqual([1, 2])
    const unwanted = await app.request(async s => {
      s.get('list').push(3)
      await s.save()
      s.modified = false
    })
    expect(unwanted.setCookies).toEqual([])
    expect(await app.peek('list')).toEqual([1, 2, 3])
  })

  it('with `trackMutations: false` a save() of a nested mutation sends no cookie, as in Django', async () => {
    const app = bench({ trackMutations: false })
    await app.request(s => s.set('list', [1]))
    const { setCookies } = await app.request(async s => {
      s.get('list').push(2)
      await s.save()
      expect(s.modified).toBe(false)
    })
    expect(setCookies).toEqual([])
    expect(await app.peek('list')).toEqual([1, 2])
  })

  it('flush, then something new, then a 5xx: the old record is gone, and nothing else happens', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    const result = await app.request(
      s => {
        s.flush()
        s.set('b', 2)
      },
      { status: 500 },
    )
    expect(result).toEqual({ setCookies: [], vary: true, private: false })
    expect(app.calls).toEqual(['insert', 'read', 'remove'])
    expect(await app.peek('a')).toBeUndefined()
  })

  it('a payload may have exactly maxBytes', async () => {
    for (const value of ['x'.repeat(30), 'é'.repeat(15)]) {
      const maxBytes = Buffer.byteLength(JSON.stringify({ a: value }))
      const app = bench({ maxBytes })
      await app.request(s => s.set('a', value))
      expect(await app.peek('a')).toBe(value)
      expect(await codeOf(() => app.request(s => s.set('a', `${value}x`)))).toBe('SESSION_DATA')
    }
  })

  it('a record says nothing of a subject that is not there', async () => {
    const records: object[] = []
    const app = bench({
      store: altered({
        insert: (_, record) => {
          records.push(record)
          return true
        },
      }),
    })
    await app.request(s => s.set('a', 1))
    expect(Object.keys(records[0]!).sort()).toEqual(['expiresAt', 'payload'])
  })

  it('once begun, every change is an error, and reading is not [F27]', async () => {
    const { sessions } = bench()
    const session = sessions.open()
    session.set('a', [1])
    await sessions.commit(session, { status: 200 })
    const changes = [
      () => session.set('a', 2),
      () => session.delete('a'),
      () => session.pop('a'),
      () => session.setDefault('b', 1),
      () => session.update({ b: 1 }),
      () => session.update('b', () => 1),
      () => session.clear(),
      () => session.flush(),
      () => session.cycleKey(),
      () => session.setExpiry(5),
      () => session.flash('a', 1),
      () => {
        session.subject = 'ada'
      },
      () => {
        session.modified = true
      },
      () => session.save(),
      () => session.create(),
    ]
    for (const change of changes) expect(await codeOf(change)).toBe('SESSION_COMMITTED')
    expect(session.get('a')).toEqual([1])
  })
})

describe('when the store fails', () => {
  const down = (): never => {
    throw new Error('connection refused: secret-password')
  }

  it('down at load: the first access throws, an untouched request continues, and the cookie stays [F1, I5]', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    for (const read of [down, async () => down()]) {
      const errors: unknown[] = []
      const broken = createSessions({
        store: altered({ read }),
        clock: () => START,
        hooks: { storeError: event => errors.push(event) },
      })
      const session = broken.open(app.cookie)
      await session.load()
      expect(await broken.commit(broken.open(app.cookie), { status: 200 })).toEqual({
        setCookies: [],
        vary: false,
        private: false,
      })
      expect(await codeOf(() => session.get('a'))).toBe('SESSION_STORE')
      expect(await codeOf(() => session.set('a', 1))).toBe('SESSION_STORE')
      expect(await codeOf(() => session.flush())).toBe('SESSION_STORE')
      const error = await Promise.resolve()
        .then(() => session.get('a'))
        .catch(error => error)
      expect(error).toMatchObject({ status: 503, name: 'SessionStoreError', cause: { message: /refused/ } })
      expect(error.message).not.toContain('secret-password')
      expect((await broken.commit(session, { status: 503 })).setCookies).toEqual([])
      expect(errors).toEqual([
        {
          id: expect.stringMatching(/^[0-9a-f]{40}$/),
          operation: 'read',
          error: expect.any(Error),
          durationMs: 0,
        },
      ])
    }
    expect(await app.peek('a')).toBe(1)
  })

  it('down at commit: the commit rejects, and the next commit of that request sends nothing [F2, A38]', async () => {
    for (const [method, act] of [
      ['insert', null],
      ['replace', 'set'],
      ['remove', 'flush'],
    ] as const) {
      const inner = memoryStore()
      const app = bench({ store: inner })
      if (act) await app.request(s => s.set('a', 1))
      const broken = bench({ store: altered({ [method]: down }, inner) })
      const session = broken.sessions.open(app.cookie)
      await session.load()
      if (act === 'flush') session.flush()
      else session.set('a', 2)
      expect(await codeOf(() => broken.sessions.commit(session, { status: 200 }))).toBe('SESSION_STORE')
      expect(await broken.sessions.commit(session, { status: 503 })).toEqual({
        setCookies: [],
        vary: true,
        private: false,
      })
      if (act) expect(await app.peek('a')).toBe(1)
    }
  })

  it('after a commit that failed late a second one returns an empty result, too [F2]', async () => {
    const app = bench({ store: altered({ insert: async () => down() }) })
    const session = app.sessions.open()
    session.set('a', 1)
    expect(await codeOf(() => app.sessions.commit(session, { status: 200 }))).toBe('SESSION_STORE')
    expect(app.sessions.commit(session, { status: 503 })).toEqual({
      setCookies: [],
      vary: true,
      private: false,
    })
  })

  it('a store that hangs is answered by the deadline, with its signal aborted [F3]', async () => {
    let signal: AbortSignal | undefined
    const hang = (...args: any[]): Promise<never> => {
      signal = args.at(-1).signal
      return new Promise(() => undefined)
    }
    const app = bench()
    await app.request(s => s.set('a', 1))
    for (const method of ['read', 'insert'] as const) {
      const hanging = createSessions({ store: altered({ [method]: hang }), timeout: 20 })
      const session = hanging.open(method === 'read' ? app.cookie : '')
      await session.load()
      const code = await codeOf(async () => {
        session.set('a', 1)
        await hanging.commit(session, { status: 200 })
      })
      expect(code).toBe('SESSION_STORE')
      expect(signal?.aborted).toBe(true)
    }
  })

  it('a store that gives up on the signal was late all the same [F3]', async () => {
    const heard: unknown[] = []
    const read = (_: unknown, { signal }: { signal: AbortSignal }): Promise<never> =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason))
      })
    const sessions = createSessions({
      store: altered({ read }),
      timeout: 5,
      hooks: { storeError: ({ error }) => heard.push(error) },
    })
    const session = sessions.open(`sessionid=${'a'.repeat(32)}`)
    await session.load()
    expect(() => session.get('a')).toThrow('No answer from the session store in 5 ms.')
    expect(heard).toEqual([expect.objectContaining({ code: 'SESSION_STORE' })])
  })

  it('an error that the store made for the user is handed on as it is', async () => {
    const own = Object.assign(new Error('run migrate()'), { code: 'CONFIG', status: 500 })
    const app = bench({ store: altered({ insert: () => Promise.reject(own) }) })
    await expect(app.request(s => s.set('a', 1))).rejects.toBe(own)
  })

  it('what was too late is ignored, and leaves no unhandled rejection [F24]', async () => {
    let fail: (error: Error) => void = () => undefined
    const late = new Promise<StoredRecord | null>((_, reject) => {
      fail = reject
    })
    const sessions = createSessions({ store: altered({ read: () => late }), timeout: 5 })
    const session = sessions.open(`sessionid=${'a'.repeat(32)}`)
    await session.load()
    fail(new Error('late'))
    await new Promise(resolve => setImmediate(resolve))
    expect(await codeOf(() => session.get('a'))).toBe('SESSION_STORE')
  })
})

describe('conflicts', () => {
  it('time is the bound: SessionConflictError when others keep winning', async () => {
    const inner = memoryStore()
    const app = bench({ store: inner })
    await app.request(s => s.set('a', 1))
    const busy = createSessions({
      store: altered({ replace: async () => 'stale' }, inner),
      clock: () => START,
      timeout: 30,
    })
    const session = busy.open(app.cookie)
    await session.load()
    session.set('a', 2)
    expect(await codeOf(() => busy.commit(session, { status: 200 }))).toBe('SESSION_CONFLICT')
  })

  it('a store that hangs after a lost save is not blamed on other requests alone [F3, F16]', async () => {
    const inner = memoryStore()
    let calls = 0
    const store = altered({ replace: () => (calls++ === 0 ? 'stale' : new Promise(() => undefined)) }, inner)
    const app = bench({ store, timeout: 20 })
    await inner.insert(ID, { payload: '{"a":1}', expiresAt: START + 1e6 }, { now: START })
    const error = await app
      .request(s => s.set('a', 2), { cookie: COOKIE })
      .then(
        () => undefined,
        (thrown: Error) => thrown,
      )
    expect(error).toMatchObject({ code: 'SESSION_CONFLICT' })
    expect(error!.message).toMatch(/could not be saved after that within `timeout`/)
  })

  it('a request that loses several times in a row continues after a short pause [F16]', async () => {
    const inner = memoryStore()
    let losses = 3
    const store = altered(
      { replace: (...args) => (losses-- > 0 ? 'stale' : inner.replace(...(args as [any, any, any]))) },
      inner,
    )
    // The longest pauses that chance can give.
    const app = bench({ store, random: size => new Uint8Array(size).fill(250), timeout: 1000 })
    await inner.insert(ID, { payload: '{"a":1}', expiresAt: START + 1e6 }, { now: START })
    await app.request(s => s.set('a', 2), { cookie: COOKIE })
    expect(await app.peek('a', COOKIE)).toBe(2)
  })

  it('a session that is gone is not tried again [F16]', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    app.calls.length = 0
    const code = await codeOf(() =>
      app.request(async s => {
        s.set('a', 2)
        await app.request(other => other.flush())
        app.calls.length = 0
      }),
    )
    expect([code, app.calls]).toEqual(['SESSION_INTERRUPTED', ['replace']])
  })

  it('onConflict: last, error, or a function; and the hook is called', async () => {
    for (const [onConflict, expected] of [
      ['last', 'mine'],
      ['error', 'SESSION_CONFLICT'],
      [(_: string, { base, mine, theirs }: any) => `${base}+${mine}+${theirs}`, 'base+mine+theirs'],
      [() => undefined, undefined],
    ] as const) {
      const keys: string[] = []
      const app = bench({ onConflict, hooks: { conflict: ({ key }) => keys.push(key) } })
      await app.request(s => s.set('a', 'base'))
      const code = await codeOf(() =>
        app.request(async s => {
          s.set('a', 'mine')
          await app.request(other => other.set('a', 'theirs'))
        }),
      )
      expect(keys).toEqual(['a'])
      if (expected === 'SESSION_CONFLICT') expect([code, await app.peek('a')]).toEqual([expected, 'theirs'])
      else expect([code, await app.peek('a')]).toEqual([undefined, expected])
    }
  })

  it('200 parallel writers of one session all succeed [F16]', async () => {
    const app = bench({ store: slow(memoryStore()) })
    await app.request(s => s.set('n', 0))
    const cookie = app.cookie
    await Promise.all(
      Array.from({ length: 200 }, () => app.request(s => s.update('n', (n = 0) => n + 1), { cookie })),
    )
    expect(await app.peek('n', cookie)).toBe(200)
    // Losers take turns: two tries each, where pauses alone would be three here, and dozens over a network.
    expect(app.calls.filter(call => call === 'replace').length).toBeLessThan(500)
  })

  it('a save empties the log; the next one reads again and loses nothing', async () => {
    const app = bench()
    await app.request(s => s.set('list', ['a']))
    await app.request(async s => {
      s.update('list', (list = []) => [...list, 'b'])
      await s.save()
      await app.request(other => other.update('list', (list = []) => [...list, 'c']))
      s.update('list', (list = []) => [...list, 'd'])
      s.get('list').push('e')
    })
    expect(await app.peek('list')).toEqual(['a', 'b', 'c', 'd', 'e'])
  })
})

describe('rotation', () => {
  it('a new key, the same data; the old key leads nowhere [A2, C4]', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    const old = app.cookie
    await app.request(s => {
      const before = s.sessionKey
      s.cycleKey()
      expect(s.sessionKey).not.toBe(before)
      s.set('user', 'ada')
    })
    expect(app.cookie).not.toBe(old)
    expect([await app.peek('a'), await app.peek('user')]).toEqual([1, 'ada'])
    expect(await app.peek('a', old)).toBeUndefined()
    expect(await app.sessions.exists(old.slice(10))).toBe(false)
  })

  it('a late request with the old key has no session, and does not remove the new cookie [A26, C2, F18]', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    const old = app.cookie
    await app.request(s => s.cycleKey())
    const fresh = app.cookie
    expect(await app.request(s => expect(s.get('a')).toBeUndefined(), { cookie: old })).toEqual({
      setCookies: [],
      vary: true,
      private: false,
    })
    expect(await codeOf(() => app.request(s => s.set('b', 1), { cookie: old }))).toBe('SESSION_INTERRUPTED')
    expect(await codeOf(() => app.request(s => s.save(), { cookie: old }))).toBe('SESSION_INTERRUPTED')
    expect(await codeOf(() => app.request(s => s.create(), { cookie: old }))).toBe('SESSION_INTERRUPTED')
    // Login tried again, with the key from before the first try.
    await app.request(
      s => {
        s.cycleKey()
        s.set('user', 'ada')
      },
      { cookie: old },
    )
    expect(await app.peek('user')).toBe('ada')
    app.time.now += 30_001
    const { setCookies } = await app.request(s => s.get('a'), { cookie: old })
    expect(setCookies[0]).toContain('Max-Age=0')
    expect(await app.peek('a', fresh)).toBe(1)
  })

  it('logout wins over a rotation, on the marker and across it [F17]', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    const old = app.cookie
    await app.request(
      async s => {
        s.get('a')
        await app.request(other => other.cycleKey())
        await app.request(other => other.cycleKey())
        s.flush()
      },
      { cookie: old },
    )
    expect(await app.sessions.exists(old.slice(10))).toBe(false)
    const scan = []
    for await (const entry of app.store.scan!({ now: START })) scan.push(entry)
    expect(scan.filter(entry => !entry.payload.includes('_session_superseded'))).toEqual([])
  })

  it('login tried again on the old key does not take the old key along: a late logout there ends what it led to', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    const old = app.cookie
    await app.request(s => s.cycleKey())
    const first = app.cookie
    await app.request(
      s => {
        s.cycleKey()
        s.set('user', 'ada')
      },
      { cookie: old },
    )
    const second = app.cookie
    await app.request(s => s.flush(), { cookie: old })
    expect([await app.peek('a', first), await app.peek('user', second)]).toEqual([undefined, 'ada'])
  })

  it('costs one read and two writes; after a save() of its own it reads again before it inserts', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    app.calls.length = 0
    await app.request(s => s.cycleKey())
    expect(app.calls.splice(0)).toEqual(['read', 'insert', 'replace'])
    await app.request(async s => {
      s.set('a', 2)
      await s.save()
      s.cycleKey()
    })
    expect(app.calls.splice(0)).toEqual(['read', 'replace', 'read', 'insert', 'replace'])
    expect(await app.peek('a')).toBe(2)
  })

  it('what another request saved meanwhile moves along [I6]', async () => {
    const app = bench()
    await app.request(s => s.set('a', 1))
    const old = app.cookie
    await app.request(async s => {
      s.cycleKey()
      s.set('user', 'ada')
      await app.request(other => other.set('b', 2))
    })
    const values = await Promise.all(['a', 'b', 'user'].map(key => app.peek(key)))
    expect([...values, await app.peek('a', old)]).toEqual([1, 2, 'ada', undefined])
  })

  it('a session that was ended meanwhile is not rotated, and leaves no record [C1]', async () => {
    for (const removal of ['done', 'down'] as const) {
      const inner = memoryStore()
      const app = bench({ store: inner })
      await app.request(s => s.set('a', 1))
      let down = false
      const other = bench({
        store: altered(
          {
            remove: (...args) => {
              if (down) throw new Error('down')
              return inner.remove(...(args as [any, any]))
            },
          },
          inner,
        ),
      })
      const code = await codeOf(() =>
        other.request(
          async s => {
            s.cycleKey()
            await app.request(a => a.flush())
            down = removal === 'down'
          },
          { cookie: app.cookie },
        ),
      )
      expect(code).toBe(removal === 'down' ? 'SESSION_STORE' : 'SESSION_INTERRUPTED')
      const left = []
      for await (const entry of inner.scan!({ now: START })) left.push(entry)
      expect(left).toHaveLength(removal === 'down' ? 1 : 0)
    }
  })

  it('time is the bound here, too, and the removal of the new record no more than tried [F16]', async () => {
    const inner = memoryStore()
    const app = bench({ store: inner })
    await app.request(s => s.set('a', 1))
    const busy = createSessions({
      store: slow(
        altered(
          {
            // Somebody else keeps changing the old record.
            replace: async (id, record, version, context) =>
              record.payload.includes('_session_superseded')
                ? 'stale'
                : inner.replace(id, record, version, context),
          },
          inner,
        ),
      ),
      clock: () => START,
      timeout: 60,
    })
    const session = busy.open(app.cookie)
    await session.load()
    session.cycleKey()
    expect(await codeOf(() => busy.commit(session, { status: 200 }))).toBe('SESSION_CONFLICT')
    expect(await app.peek('a')).toBe(1)
  })

  it('all sessions of the subject ended meanwhile: neither the old record nor the new one comes back [A24]', async () => {
    for (const last of ['removed', 'changed'] as const) {
      const inner = memoryStore()
      const app = bench({ store: inner })
      await app.request(s => s.set('a', 1))
      let fresh: any
      let replaces = 0
      const raced = bench({
        store: altered(
          {
            insert: (id, record, context) => {
              fresh = id
              return inner.insert(id, record, context)
            },
            replace: (id, record, version, context) => {
              replaces++
              if (replaces === 1 && last === 'removed') void inner.remove(fresh, undefined, context)
              if (replaces === 1) return 'stale'
              return replaces === 2 && last === 'changed'
                ? 'stale'
                : inner.replace(id, record, version, context)
            },
          },
          inner,
        ),
      })
      const code = await codeOf(() => raced.request(s => s.cycleKey(), { cookie: app.cookie }))
      expect([code, replaces]).toEqual(['SESSION_INTERRUPTED', last === 'removed' ? 1 : 2])
      expect(await inner.read(fresh, { now: START })).toBe(null)
    }
  })

  it('with hashKeys: false the old record is removed, and no marker left', async () => {
    const app = bench({ hashKeys: false })
    await app.request(s => s.set('a', 1))
    const old = app.cookie
    await app.request(s => s.cycleKey())
    const scan = []
    for await (const entry of app.store.scan!({ now: START })) scan.push(entry.id)
    expect(scan).toEqual([app.cookie.slice(10)])
    expect(await app.peek('a', old)).toBeUndefined()
  })

  it('a failed rotation leaves the old session as it was', async () => {
    const inner = memoryStore()
    const app = bench({ store: inner })
    await app.request(s => s.set('a', 1))
    let inserted = 0
    const broken = bench({
      store: altered(
        {
          replace: () => Promise.reject(new Error('down')),
          insert: (...args) => {
            inserted++
            return inner.insert(...(args as [any, any]))
          },
        },
        inner,
      ),
    })
    expect(await codeOf(() => broken.request(s => s.cycleKey(), { cookie: app.cookie }))).toBe(
      'SESSION_STORE',
    )
    expect(inserted).toBe(1)
    // The store is down: nothing more is asked of it.
    expect(broken.calls).toEqual(['read', 'insert', 'replace'])
    expect(await app.peek('a')).toBe(1)
  })
})
