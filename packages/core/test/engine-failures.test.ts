import { memoryStore } from '@sess/conformance'
import { describe, expect, it } from 'vitest'
import type { Sessions, Store } from '../src/index.ts'
import { altered, bench, codeOf, START } from './support.ts'

const ID = '0'.repeat(40)
const KEY = 'k'.repeat(32)

function down(): never {
  throw new Error('down')
}

async function* downLater() {
  yield* []
  down()
}

/** A store whose every method fails. */
const failing = altered({
  read: down,
  remove: down,
  removeBySubject: down,
  scanBySubject: downLater,
  clearExpired: downLater,
  close: down,
})

/** What the hooks are told about a call that nobody awaits. */
async function heardOf(store: Store, call: (sessions: Sessions) => unknown) {
  const heard: unknown[] = []
  const app = bench({
    store,
    hooks: {
      storeError: ({ operation }) => void heard.push(['storeError', operation]),
      error: (_error, method) => void heard.push(['error', method]),
    },
  })
  const code = await codeOf(() => call(app.sessions))
  await new Promise(resolve => setImmediate(resolve))
  return { code, heard }
}

describe('an outage is a SessionStoreError, and the hook `storeError` is called, and no other', () => {
  it.each<[method: string, operation: string, call: (sessions: Sessions) => unknown]>([
    ['exists', 'read', sessions => sessions.exists(KEY)],
    ['delete', 'read', sessions => sessions.delete(KEY)],
    ['end', 'read', sessions => sessions.end(ID)],
    ['list', 'scanBySubject', sessions => sessions.list('ada')],
    ['removeBySubject', 'removeBySubject', sessions => sessions.removeBySubject('ada')],
    ['clearExpired', 'clearExpired', sessions => sessions.clearExpired()],
    ['close', 'close', sessions => sessions.close()],
  ])('%s', async (_method, operation, call) => {
    expect(await heardOf(failing, call)).toEqual({
      code: 'SESSION_STORE',
      heard: [['storeError', operation]],
    })
  })
})

describe('another error goes to the hook `error`, with the name of the method', () => {
  const { scanBySubject, removeBySubject, ...withoutIndex } = memoryStore()
  it.each<[method: string, call: (sessions: Sessions) => unknown]>([
    ['delete', sessions => sessions.delete(ID)],
    ['end', sessions => sessions.end('no id')],
    ['end', sessions => sessions.end(`${ID}0`)],
    ['end', sessions => sessions.end(`x${ID}`)],
    ['end', sessions => sessions.end([ID] as never)],
    ['list', sessions => sessions.list('ada')],
    ['removeBySubject', sessions => sessions.removeBySubject('ada')],
    ['clearExpired', sessions => sessions.clearExpired({ onProgress: down })],
    ['idOf', sessions => sessions.idOf({} as never)],
  ])('%s', async (method, call) => {
    const { code, heard } = await heardOf(withoutIndex as Store, async sessions => {
      const expired = sessions.open()
      expired.set('a', 1)
      expired.setExpiry(new Date(START - 1))
      await expired.save()
      await call(sessions)
    })
    expect(code).toBeDefined()
    expect(heard).toEqual([['error', method]])
  })
})

it('end() ends the session of a record that has expired for the store alone, and says that there was none', async () => {
  const app = bench({ age: 10 })
  await app.request(session => session.set('a', 1))
  const id = await app.sessions.idOf(await opened(app.sessions, app.cookie))
  app.time.now += 11_000
  app.calls.length = 0
  expect(await app.sessions.end(id!)).toBe(false)
  expect(app.calls).toContain('remove')
})

async function opened(sessions: Sessions, cookie: string) {
  const session = sessions.open(cookie)
  await session.load()
  return session
}
