import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, it } from 'vitest'

const run = promisify(execFile)

/** Runs a program of an application in a process of its own, where an unhandled rejection ends it. */
async function survives(program: string): Promise<string[]> {
  const core = new URL('../src/index.ts', import.meta.url).href
  const memory = new URL('../../conformance/src/memory-store.ts', import.meta.url).href
  const source = `
    import { createSessions } from ${JSON.stringify(core)}
    import { memoryStore } from ${JSON.stringify(memory)}
    const heard = []
    const hooks = {
      storeError: event => heard.push('storeError: ' + event.operation),
      error: (error, from) => heard.push(from + ': ' + error.code),
    }
    const down = async () => { throw new Error('down') }
    const pause = (ms = 5) => new Promise(resolve => setTimeout(resolve, ms))
    const memory = memoryStore()
    const up = createSessions({ store: memory, hooks })
    ${program}
    await pause()
    console.log(JSON.stringify(heard))`
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', source])
  return JSON.parse(stdout)
}

describe.concurrent('what nobody awaits does not end the process, and is reported', () => {
  it.for(['save', 'create'])('%s() after the response has begun [H1]', async (method, { expect }) => {
    const heard = await survives(`
      const session = up.open()
      session.set('a', 1)
      await up.commit(session, { status: 200 })
      session.${method}()
      setTimeout(() => session.${method}())
      await pause()
      const code = await session.${method}().then(() => 'done', error => error.code)
      if (code !== 'SESSION_COMMITTED') throw new Error('whoever awaits it must see ' + code)`)
    expect(heard).toEqual(Array.from({ length: 3 }, () => `${method}: SESSION_COMMITTED`))
  })

  it('save() that fails before the response [H1]', async ({ expect }) => {
    const heard = await survives(`
      const sessions = createSessions({ store: { ...memory, insert: down }, hooks })
      const session = sessions.open()
      session.set('a', 1)
      session.save()
      await pause()
      await sessions.commit(session, { status: 500 })`)
    expect(heard).toEqual(['storeError: insert'])
  })

  it('load() of a store that is down [H1]', async ({ expect }) => {
    const heard = await survives(`
      const sessions = createSessions({ store: { ...memory, read: down }, hooks })
      sessions.open('sessionid=' + 'a'.repeat(32)).load()`)
    expect(heard).toEqual(['storeError: read'])
  })

  it('commit() that fails [H1]', async ({ expect }) => {
    const heard = await survives(`
      const sessions = createSessions({ store: { ...memory, insert: down }, hooks })
      const session = sessions.open()
      session.set('a', 1)
      sessions.commit(session, { status: 200 })`)
    expect(heard).toEqual(['storeError: insert'])
  })

  it('every method of the engine, over a store that is down [H1]', async ({ expect }) => {
    const heard = await survives(`
      const store = { ...memory, read: down, remove: down, removeBySubject: down, close: down,
        async *clearExpired() { await down() } }
      const sessions = createSessions({ store, hooks })
      sessions.exists('a'.repeat(32))
      sessions.delete('a'.repeat(32))
      sessions.removeBySubject('ada')
      sessions.clearExpired()
      sessions.close()
      // It waits for what is under way.
      await pause(300)`)
    expect(heard.sort()).toEqual([
      'storeError: clearExpired',
      'storeError: close',
      'storeError: read',
      'storeError: read',
      'storeError: removeBySubject',
    ])
  })
})
