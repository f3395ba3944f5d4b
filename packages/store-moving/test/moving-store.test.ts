import { memoryStore } from '@sess/conformance'
import {
  type Codec,
  createSessions,
  json,
  type Session,
  SessionDataError,
  type SessionRecord,
  type Sessions,
  type Store,
} from '@sess/core'
import { djangoCodec } from '@sess/core/django'
import { describe, expect, it } from 'vitest'
import { finish, isReceipt, Mover, movingStore, StoreLostSessions, walk } from '../src/index.ts'

const id = (n: number) => n.toString(16).padStart(40, '0')
const LATER = 4_000_000_000_000

async function walkAll(mover: Mover, options: Parameters<typeof walk>[1] = {}) {
  const all = await Array.fromAsync(walk(mover, options))
  return all.at(-1)!
}

async function idsIn(store: Store, now = 0): Promise<string[]> {
  const entries = await Array.fromAsync(store.scan!({ now }))
  return entries.filter(({ payload }) => !isReceipt(payload)).map(entry => entry.id)
}

describe('a walk', () => {
  it('copies payload, expiry and subject, and finds nothing to do the second time', async () => {
    const [from, to] = [memoryStore(), memoryStore()]
    const mover = new Mover({ from, to })
    await from.insert(id(1), { payload: '{"a":1}', expiresAt: LATER, subject: '42' })
    expect(await walkAll(mover)).toMatchObject({ seen: 1, copied: 1, ended: 0 })
    expect(await to.read(id(1))).toMatchObject({ payload: '{"a":1}', expiresAt: LATER, subject: '42' })
    expect(await walkAll(mover)).toMatchObject({ seen: 1, copied: 0, updated: 0, ended: 0 })
  })

  it('keeps the data of the new site where both changed, and counts it once', async () => {
    const [from, to] = [memoryStore(), memoryStore()]
    const mover = new Mover({ from, to })
    await from.insert(id(1), { payload: 'both', expiresAt: LATER })
    await walkAll(mover)
    for (const [store, payload] of [
      [from, 'old'],
      [to, 'new'],
    ] as const) {
      await store.replace(id(1), { payload, expiresAt: LATER }, (await store.read(id(1)))!.version)
    }
    expect(await walkAll(mover)).toMatchObject({ conflicts: 1 })
    expect((await from.read(id(1)))!.payload).toBe('new')
    expect(await walkAll(mover)).toMatchObject({ conflicts: 0, updated: 0 })
  })

  it('extends the copy when the old site extended the session, and copies it again if that came too late', async () => {
    const [from, to] = [memoryStore(), memoryStore()]
    const mover = new Mover({ from, to })
    await from.insert(id(1), { payload: 'a', expiresAt: 10_000 })
    await walkAll(mover, { now: 1 })
    await from.touch(id(1), 20_000, (await from.read(id(1), { now: 1 }))!.version, { now: 5_000 })
    await walkAll(mover, { now: 6_000 })
    expect(await to.read(id(1), { now: 12_000 })).toMatchObject({ expiresAt: 20_000 })
    await from.touch(id(1), 60_000, (await from.read(id(1), { now: 1 }))!.version, { now: 12_000 })
    expect(await walkAll(mover, { now: 30_000 })).toMatchObject({ copied: 1, ended: 0 })
    expect(await to.read(id(1), { now: 30_000 })).toMatchObject({ expiresAt: 60_000 })
  })

  it('leaves a session alone that expired in the old store and was extended in the new one', async () => {
    const [from, to] = [memoryStore(), memoryStore()]
    const mover = new Mover({ from, to })
    await from.insert(id(1), { payload: 'a', expiresAt: 10_000 })
    await walkAll(mover, { now: 1 })
    await to.touch(id(1), 50_000, (await to.read(id(1), { now: 1 }))!.version, { now: 1 })
    expect(await walkAll(mover, { now: 20_000 })).toMatchObject({ ended: 0 })
    expect(await to.read(id(1), { now: 20_000 })).not.toBeNull()
  })

  it('removes what a killed copier left of a session that has ended since', async () => {
    const [from, memory] = [memoryStore(), memoryStore()]
    await from.insert(id(1), { payload: 'a', expiresAt: LATER })
    let inserts = 0
    const killed: Store = {
      ...memory,
      insert(...call) {
        if (++inserts === 2) throw new Error('killed')
        return memory.insert(...call)
      },
    }
    await expect(new Mover({ from, to: killed }).carry(id(1))).rejects.toThrow('killed')
    await from.remove(id(1))
    expect(await idsIn(memory)).toEqual([id(1)])
    await walkAll(new Mover({ from, to: memory }))
    expect(await idsIn(memory)).toEqual([])
  })

  it('lists what the new store cannot hold, and copies the rest', async () => {
    const from = memoryStore()
    const to = { ...memoryStore(), maxBytes: 100 }
    await from.insert(id(1), { payload: 'x'.repeat(101), expiresAt: LATER })
    await from.insert(id(2), { payload: 'x', expiresAt: LATER })
    const { copied, unmovable } = await walkAll(new Mover({ from, to }))
    expect(copied).toBe(1)
    expect(unmovable).toEqual([{ id: id(1), reason: expect.stringMatching(/101 bytes.*100/) }])
    expect(await from.read(id(1))).not.toBeNull()
  })

  it('does not take the loss of the old store for logouts of everybody', async () => {
    const [from, to] = [memoryStore(), memoryStore()]
    const mover = new Mover({ from, to })
    for (let n = 0; n < 50; n++) await from.insert(id(n), { payload: 'a', expiresAt: LATER })
    await walkAll(mover)
    for (let n = 0; n < 40; n++) await from.remove(id(n))
    await expect(walkAll(mover)).rejects.toThrow(StoreLostSessions)
    expect(await idsIn(to)).toHaveLength(50)
    expect(await walkAll(mover, { believeLoss: true })).toMatchObject({ ended: 40 })
    expect(await idsIn(to)).toHaveLength(10)
  })

  it('does not copy the receipts of an earlier move', async () => {
    const [first, second, third] = [memoryStore(), memoryStore(), memoryStore()]
    await first.insert(id(1), { payload: 'a', expiresAt: LATER })
    await walkAll(new Mover({ from: first, to: second }))
    expect(await walkAll(new Mover({ from: second, to: third }))).toMatchObject({ seen: 1, copied: 1 })
    expect(await idsIn(third)).toEqual([id(1)])
  })
})

describe('the end of a move', () => {
  it('empties the old store, keeps every session in the new one, and may be interrupted and walked again', async () => {
    const [from, to] = [memoryStore(), memoryStore()]
    const mover = new Mover({ from, to })
    for (let n = 0; n < 100; n++) await from.insert(id(n), { payload: 'a', expiresAt: LATER })
    await walkAll(mover)
    for await (const { released } of finish(mover)) if (released > 0) break
    expect((await idsIn(from)).length).toBeLessThan(100)
    expect(await walkAll(mover, { believeLoss: true })).toMatchObject({ ended: 0 })
    await Array.fromAsync(finish(mover))
    expect(await idsIn(from)).toEqual([])
    expect(await idsIn(to)).toHaveLength(100)
    expect(await Array.fromAsync(to.scan())).toHaveLength(100)
  })

  it('goes on after a crash between any two of its calls', async () => {
    for (let calls = 1; calls < 12; calls++) {
      const [from, to] = [memoryStore(), memoryStore()]
      await from.insert(id(1), { payload: 'a', expiresAt: LATER })
      await walkAll(new Mover({ from, to }))
      let left = calls
      const mortal = (store: Store): Store =>
        new Proxy(store, {
          get:
            (target, name) =>
            (...args: unknown[]) => {
              if (left-- <= 0) throw new Error('killed')
              return (Reflect.get(target, name) as (...all: unknown[]) => unknown).apply(target, args)
            },
        })
      const dying = new Mover({ from: mortal(from), to: mortal(to) })
      await Array.fromAsync(finish(dying)).catch(error => expect(error.message).toBe('killed'))
      await walkAll(new Mover({ from, to }))
      await Array.fromAsync(finish(new Mover({ from, to })))
      expect([await idsIn(from), await idsIn(to)]).toEqual([[], [id(1)]])
    }
  })
})

describe('the new site on the new store alone', () => {
  it.each<[string, Codec]>([
    ['json()', json()],
    ['one that signs', djangoCodec({ secret: 'a secret of thirty-two characters' })],
  ])('saves nothing over a session that is being copied, with %s', async (_, codec) => {
    const [from, to] = [memoryStore(), memoryStore()]
    const oldSite: Sessions<any> = createSessions({ store: from, codec })
    const begun = oldSite.open()
    await begun.load()
    begun.set('cart', ['tea'])
    await oldSite.commit(begun, { status: 200 })
    let inserts = 0
    const dying: Store = {
      ...to,
      async insert(...args) {
        if (++inserts > 1) throw new Error('killed')
        return to.insert(...args)
      },
    }
    await expect(walkAll(new Mover({ from, to: dying, codec }))).rejects.toThrow('killed')

    const newSite: Sessions<any> = createSessions({ store: to, codec })
    const session = newSite.open(`sessionid=${begun.sessionKey}`)
    await session.load()
    expect(session.get('cart', null)).toBeNull()
    session.set('cart', ['coffee'])
    await expect(async () => newSite.commit(session, { status: 200 })).rejects.toMatchObject({
      code: 'SESSION_INTERRUPTED',
    })

    await walkAll(new Mover({ from, to, codec }))
    const again = newSite.open(`sessionid=${begun.sessionKey}`)
    await again.load()
    expect(again.get('cart')).toEqual(['tea'])
  })
})

describe('movingStore', () => {
  it('follows a session that the old site rotates, and one that the new site rotates', async () => {
    const [from, to] = [memoryStore(), memoryStore()]
    const oldSite: Sessions<any> = createSessions({ store: from })
    const newSite: Sessions<any> = createSessions({ store: movingStore({ from, to }) })
    let cookie: string | undefined
    const request = async (site: Sessions<any>, work: (session: Session<any>) => void) => {
      const session = site.open(cookie)
      await session.load()
      work(session)
      const { setCookies } = await site.commit(session, { status: 200 })
      cookie = setCookies[0]?.split(';')[0] ?? cookie
    }
    await request(oldSite, session => session.set('user', 1))
    for (const site of [newSite, oldSite, newSite]) {
      const before = cookie
      await request(site, session => session.cycleKey())
      expect(cookie).not.toBe(before)
      for (const each of [oldSite, newSite]) {
        // Neither site knows the key that was replaced.
        const session = each.open(before)
        await session.load()
        expect(session.get('user', null)).toBeNull()
        await request(each, session => expect(session.get('user', null)).toBe(1))
      }
    }
    await request(newSite, session => session.flush())
    // The markers of rotations live for half a minute.
    const now = Date.now() + 60_000
    await walkAll(new Mover({ from, to }), { now })
    expect([await idsIn(from, now), await idsIn(to, now)]).toEqual([[], []])
  })

  it('ends the sessions of a subject in both stores', async () => {
    const [from, to] = [memoryStore(), memoryStore()]
    const store = movingStore({ from, to })
    await from.insert(id(1), { payload: 'a', expiresAt: LATER, subject: '42' })
    await store.insert(id(2), { payload: 'a', expiresAt: LATER, subject: '42' })
    await to.insert(id(3), { payload: 'a', expiresAt: LATER, subject: '42' })
    expect(await store.removeBySubject!('42', { except: id(2) })).toBe(2)
    expect([await idsIn(from), await idsIn(to)]).toEqual([[id(2)], [id(2)]])
  })

  it.each([
    [{ from: memoryStore() }, /to: must be a store/],
    [{ to: memoryStore(), from: {} }, /from: must be a store/],
    [{ from: memoryStore(), to: memoryStore(), old: 1 }, /old: unknown option/],
    [{ from: memoryStore(), to: memoryStore(), codec: {} }, /codec: must be a codec/],
  ])('rejects %#', (options, message) => {
    expect(() => movingStore(options as never)).toThrow(message)
  })
})

it.each(['right after it', 'while another process copies it'])(
  'a logout that comes between the two writes of an insert is not undone, %s',
  async when => {
    const key = id(9)
    const [from, to] = [memoryStore(), memoryStore()]
    const other = movingStore({ from, to })
    let removed: unknown
    const store = movingStore({
      to,
      from: {
        ...from,
        async insert(...args) {
          removed = await other.remove(key)
          const inserted = await from.insert(...args)
          if (when === 'while another process copies it') await other.read(key)
          return inserted
        },
      },
    })
    const record = { payload: '{}', expiresAt: Date.now() + 3_600_000 }
    expect([await store.insert(key, record), removed]).toEqual([true, 'ok'])
    expect([await store.read(key), await from.read(key), await to.read(key)]).toEqual([null, null, null])
  },
)

describe('data that the old store alone rejects', () => {
  function stores() {
    const memory = memoryStore()
    const checked = (record: SessionRecord) => {
      if (record.payload.includes('\0')) throw new SessionDataError('It contains U+0000.')
      return record
    }
    const from: Store = {
      ...memory,
      insert: (id, record, context) => memory.insert(id, checked(record), context),
      replace: (id, record, ...rest) => memory.replace(id, checked(record), ...rest),
    }
    return { from, to: memoryStore() }
  }
  const rejected = { payload: '\0', expiresAt: LATER }

  it('are not saved, and the session stays as it was', async () => {
    const { from, to } = stores()
    const store = movingStore({ from, to })
    await expect(async () => store.insert(id(2), rejected)).rejects.toThrow(SessionDataError)
    expect(await Array.fromAsync(to.scan())).toEqual([])
    await store.insert(id(1), { payload: 'a', expiresAt: LATER, subject: '42' })
    const { version } = (await store.read(id(1)))!
    await expect(async () => store.replace(id(1), rejected, version)).rejects.toThrow(SessionDataError)
    for (const each of [store, from, to])
      expect(await each.read(id(1))).toMatchObject({ payload: 'a', expiresAt: LATER, subject: '42' })
  })

  it('are read, changed and removed, if the new site saved them without movingStore', async () => {
    const { from, to } = stores()
    const store = movingStore({ from, to })
    for (const n of [1, 2]) {
      await store.insert(id(n), { payload: 'a', expiresAt: LATER })
      await to.replace(id(n), rejected, (await to.read(id(n)))!.version)
      expect(await store.read(id(n))).toMatchObject(rejected)
    }
    const { version } = (await store.read(id(1)))!
    expect(await store.touch(id(1), LATER + 60_000, version)).toBe(true)
    expect(await store.replace(id(1), { payload: 'b', expiresAt: LATER }, version)).toBe('ok')
    expect(await from.read(id(1))).toMatchObject({ payload: 'b' })
    expect(await walkAll(new Mover({ from, to }))).toMatchObject({ unmovable: [{ id: id(2) }] })
    expect(await store.remove(id(2))).toBe('ok')
    expect([await from.read(id(2)), await to.read(id(2))]).toEqual([null, null])
  })
})

it.each(['copied before', 'never copied'])(
  'removes a session that the new store cannot hold, %s',
  async when => {
    const [from, to] = [memoryStore(), { ...memoryStore(), maxBytes: 100 }]
    const store = movingStore({ from, to })
    const payload = 'x'.repeat(101)
    if (when === 'never copied') await from.insert(id(1), { payload, expiresAt: LATER })
    else {
      await store.insert(id(1), { payload: 'x', expiresAt: LATER })
      await from.replace(id(1), { payload, expiresAt: LATER }, (await from.read(id(1)))!.version)
    }
    await expect(async () => store.read(id(1))).rejects.toThrow(SessionDataError)
    expect([await store.remove(id(1), 'none'), await store.remove(id(1))]).toEqual(['stale', 'ok'])
    expect([await store.read(id(1)), await from.read(id(1)), await to.read(id(1))]).toEqual([
      null,
      null,
      null,
    ])
  },
)

it('gives the old store an earlier expiry, too, whoever brings it over', async () => {
  const [from, to] = [memoryStore(), memoryStore()]
  const store = movingStore({ from, to })
  await store.insert(id(1), { payload: 'a', expiresAt: LATER })
  await to.touch(id(1), LATER - 60_000, (await to.read(id(1)))!.version)
  expect(await store.read(id(1))).toMatchObject({ expiresAt: LATER - 60_000 })
  expect(await from.read(id(1))).toMatchObject({ expiresAt: LATER - 60_000 })
})
