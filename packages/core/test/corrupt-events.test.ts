import { inspect } from 'node:util'
import { type } from 'arktype'
import * as v from 'valibot'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { type Codec, type CorruptEvent, json, type SessionsOptions } from '../src/index.ts'
import { bench } from './support.ts'

const CANARY = 'canary7413'
const HIDDEN = [CANARY, 'ann@example.com', '987654321']

/** What the `corrupt` hook is called with when stored data are read with other options. */
async function eventsOf(stored: Record<string, unknown>, options: Partial<SessionsOptions>) {
  const app = bench()
  await app.request(session => session.update(stored))
  const events: CorruptEvent[] = []
  const hooks = { corrupt: (event: CorruptEvent) => void events.push(event) }
  const later = bench({ store: app.store, ...options, hooks })
  await later.request(session => session.get('user'), { cookie: app.cookie })
  expect(events).not.toEqual([])
  for (const event of events) {
    const shown = `${inspect(event, { depth: 9, showHidden: true })} ${JSON.stringify(event)} ${event.error?.stack}`
    for (const secret of HIDDEN) expect(shown).not.toContain(secret)
  }
  return events
}

class VaultError extends Error {
  override name = 'VaultError'
  code = 'VAULT_UNREADABLE'
  payload: string
  constructor(payload: string) {
    super(`cannot read ${payload}`, { cause: new Error(`in ${payload}`) })
    this.payload = payload
  }
}

it('the error of a codec keeps its name, code and place, and loses its message and cause [A8]', async () => {
  const codec: Codec = {
    ...json(),
    decode: payload => {
      throw new VaultError(payload)
    },
  }
  const [event] = await eventsOf({ user: CANARY }, { codec })
  expect(event).toMatchObject({ reason: 'payload', error: { name: 'VaultError', code: 'VAULT_UNREADABLE' } })
  const { message, stack, cause } = event!.error as Error
  expect(message).toBe('The codec cannot read what is stored.')
  expect(stack).toContain('corrupt-events.test.ts')
  expect(cause).toBeUndefined()
})

it.each<[string, () => void]>([
  [
    'text',
    () => {
      throw `cannot read ${CANARY}`
    },
  ],
  [
    'an object',
    () => {
      throw { user: CANARY }
    },
  ],
  [
    'a message of several lines that looks like a stack',
    () => {
      throw new Error(`x\n    at ${CANARY}`)
    },
  ],
])('a codec may throw %s', async (_, decode) => {
  const [event] = await eventsOf({ user: CANARY }, { codec: { ...json(), decode } as unknown as Codec })
  expect(event!.error).toBeInstanceOf(Error)
})

const STORED = { user: { name: CANARY, age: 987654321 }, emails: { 'ann@example.com': CANARY } }

it.each<[string, SessionsOptions['schema']]>([
  ['zod', z.object({ user: z.object({ name: z.number(), age: z.string() }) })],
  ['valibot', v.object({ user: v.object({ name: v.number(), age: v.string() }) })],
  ['arktype', type({ user: { name: 'number', age: 'string' } })],
])('of the issues of %s the path is told [A8]', async (_, schema) => {
  const [event] = await eventsOf(STORED, { schema })
  expect(event!.reason).toBe('schema')
  const message = /^Stored data do not fit the option `schema`: user.(name|age), user.(name|age)\.$/
  expect(event!.error!.message).toMatch(message)
  expect(event!.paths!.toSorted()).toEqual(['user.age', 'user.name'])
})

it('a key that is data is left out of a path', async () => {
  const [event] = await eventsOf(STORED, { schema: z.object({ emails: z.record(z.string(), z.number()) }) })
  expect(event!.paths).toEqual(['emails.…'])
})

it('of many issues the first ten are told', async () => {
  const stored = { list: Array.from({ length: 50 }, () => CANARY) }
  const [event] = await eventsOf(stored, { schema: z.object({ list: z.array(z.number()) }) })
  expect(event!.paths).toHaveLength(10)
  expect(event!.paths![9]).toBe('list.9')
})

it('what `migrate` or a schema throws loses its message', async () => {
  const schema = z.object({ user: z.number() })
  const migrate = (data: object) => {
    throw new RangeError(`no ${JSON.stringify(data)}`)
  }
  const [event] = await eventsOf({ user: CANARY }, { schema, migrate })
  expect(event!.error).toMatchObject({
    name: 'RangeError',
    message: 'The option `schema` or `migrate` threw.',
  })
})
