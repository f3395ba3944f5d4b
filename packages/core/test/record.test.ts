import { memoryStore } from '@sess/conformance'
import { describe, expect, it } from 'vitest'
import { type CorruptEvent, json, type StoredRecord } from '../src/index.ts'
import { altered, bench, codeOf, START } from './support.ts'

const COOKIE = `sessionid=${'a'.repeat(32)}`

/** An engine whose store returns this payload for every id. */
function holding(payload: string, options: Parameters<typeof bench>[0] = {}) {
  const events: CorruptEvent[] = []
  const record: StoredRecord = { payload, expiresAt: START + 60_000, version: 'v' }
  const store = altered({ read: () => record, insert: () => true })
  const hooks = { corrupt: (event: CorruptEvent) => void events.push(event) }
  return { app: bench({ store, hooks, ...options }), events }
}

describe('a payload', () => {
  it.each([['a'], 'a', 1, null, true])(
    'of which a codec makes no object is an empty session: %j',
    async decoded => {
      const { app, events } = holding('{}', { codec: { ...json(), decode: () => decoded as never } })
      const session = app.sessions.open(COOKIE)
      await session.load()
      expect([...session.keys()]).toEqual([])
      expect(events).toMatchObject([{ reason: 'payload' }])
    },
  )

  it('that is a marker in plain JSON is one for a codec that cannot read it, too', async () => {
    const decode = (): never => {
      throw new Error('not signed')
    }
    const { app, events } = holding('{"_session_superseded":"another"}', { codec: { ...json(), decode } })
    const session = app.sessions.open(COOKIE)
    await session.load()
    session.set('a', 1)
    expect(await codeOf(() => session.save())).toBe('SESSION_INTERRUPTED')
    expect(app.calls).toEqual(['read'])
    expect(events).toEqual([])
  })
})

it('the marker of a rotation has the id of the new record, and no more', async () => {
  const records = new Map<string, StoredRecord>()
  const app = bench({ store: memoryStore(records) })
  await app.request(session => {
    session.subject = 'ada'
  })
  const [old] = [...records.keys()]
  await app.request(session => session.cycleKey())
  const [id] = [...records.keys()].filter(each => each !== old)
  expect(records.get(old!)).toMatchObject({ payload: JSON.stringify({ _session_superseded: id }) })
  expect(records.get(old!)).not.toHaveProperty('subject')
})
