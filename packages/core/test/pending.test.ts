import { memoryStore } from '@sess/conformance'
import { expect, it } from 'vitest'
import { pending } from '../src/adapter.ts'
import type { Session } from '../src/index.ts'
import { bench, slow } from './support.ts'

/** What `pending` says after a handler, of a session that has a record. */
async function afterHandler(handle: (session: Session) => unknown): Promise<ReturnType<typeof pending>> {
  const app = bench()
  await app.request(session => session.set('a', 1))
  const session = app.sessions.open(app.cookie)
  await session.load()
  await handle(session)
  return pending(session)
}

it.each<[what: string, handle: (session: Session) => unknown, said: ReturnType<typeof pending>]>([
  ['a handler that leaves it alone', () => undefined, undefined],
  ['one that reads', session => session.get('a'), undefined],
  ['a change', session => session.set('a', 2), 'changes'],
  ['flush()', session => session.flush(), 'changes'],
  ['cycleKey()', session => session.cycleKey(), 'changes'],
  [
    'a change and save()',
    session => {
      session.set('a', 2)
      return session.save()
    },
    undefined,
  ],
  [
    'cycleKey() and save()',
    session => {
      session.cycleKey()
      return session.save()
    },
    'cookie',
  ],
])('after %s', async (_what, handle, said) => {
  expect(await afterHandler(handle)).toBe(said)
})

it('while save() is under way there may be changes, and afterwards the browser lacks the cookie', async () => {
  const session = bench({ store: slow(memoryStore()) }).sessions.open()
  await session.load()
  session.set('a', 1)
  const saving = session.save()
  expect(pending(session)).toBe('changes')
  await saving
  expect(pending(session)).toBe('cookie')
})

it('after the commit nothing is pending, whatever it was', async () => {
  const app = bench()
  let ended!: Session
  await app.request(session => {
    ended = session
    session.set('a', 1)
  })
  expect(pending(ended)).toBeUndefined()
  const { sessions } = app
  const failed = sessions.open()
  failed.set('a', 1)
  await sessions.commit(failed, { status: 500 })
  expect(pending(failed)).toBeUndefined()
})
