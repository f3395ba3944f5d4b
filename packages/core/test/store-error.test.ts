/** What a driver's error says beyond its name, code and message may be the visitor's data [A8, H2]. */
import { inspect } from 'node:util'
import { createSessions, safeCause } from '@sess/core'
import { describe, expect, it } from 'vitest'

const CANARY = 'kanari4711'
const KEY = '0123456789abcdefghij0123456789ab'

function raw(message: string, own: object = {}): Error {
  return Object.assign(new Error(message), own)
}

/** Everything that a log could show of it. */
function printed(value: unknown): string {
  const shallow = value instanceof Error ? `${value} ${value.stack} ${JSON.stringify(value)}` : ''
  return `${shallow} ${inspect(value, { depth: Number.POSITIVE_INFINITY, showHidden: true, getters: true })}`
}

describe('safeCause', () => {
  it.each([
    ['fields of drivers', raw('failed', { detail: CANARY, sql: CANARY, command: { args: [CANARY] } })],
    ['a hidden field', Object.defineProperty(raw('failed'), 'args', { value: [CANARY] })],
    ['quotes in quotes', raw(`Duplicate entry 'it's ${CANARY}' for key 'PRIMARY'`)],
    ['quotes of two kinds', raw(`relation "sessions": value '${CANARY}' is wrong`)],
    ['a text that was cut off', raw(`unknown command, beginning with: '${CANARY}`)],
    ['a statement with its parameters', raw(`Failed query: select ?\nparams: ${CANARY}`)],
    ['a key without quotes', raw(`no such key: sess:${KEY}`)],
    ['an id without quotes', raw(`conflict at ${'c0ffee'.repeat(6)}c0ff`)],
    ['a field and its value', raw(`Key (session_key)=(${CANARY}) already exists.`)],
    ['the user and password of a URL', raw(`cannot reach redis://ann:${CANARY}@host:6379`)],
    ['a URL with the data in it', raw(`GET https://kv/set/%7B%22a%22%3A%22${CANARY}%22%7D?a=1 answered 500`)],
    ['a query', raw(`GET https://kv/?key=${CANARY} answered 500`)],
    ['its name', raw('failed', { name: `${CANARY} and more` })],
    ['its code', raw('failed', { code: `sess:${CANARY}` })],
    ['its stack', raw('failed', { stack: `Error: ${CANARY}\n    at work (file.js:1:1)` })],
    ['the cause of it', raw('failed', { cause: raw('inner', { detail: CANARY }) })],
    ['its parts', Object.assign(new AggregateError([raw('failed', { detail: CANARY })]), { code: 'X' })],
    ['a text', `cannot save '${CANARY}'`],
    ['an object', { message: 'failed', payload: CANARY }],
    ['something else', [CANARY]],
  ])('shows no data of %s', (_, error) => {
    expect(printed(safeCause(error))).not.toMatch(new RegExp(`${CANARY}|${KEY}|c0ffeec0ffee`))
  })

  it('shows no value that the caller names, wherever the message has it', () => {
    const error = raw(`no quota for ${CANARY}@example.org, see ${CANARY}@example.org`)
    expect(safeCause(error, [`${CANARY}@example.org`, undefined, '']).message).toBe('no quota for …, see …')
  })

  it('keeps what tells the reason', () => {
    const error = raw('connect ECONNREFUSED 127.0.0.1:5432', { code: 'ECONNREFUSED', name: 'DriverError' })
    expect(safeCause(error)).toMatchObject({
      name: 'DriverError',
      code: 'ECONNREFUSED',
      message: 'connect ECONNREFUSED 127.0.0.1:5432',
    })
    expect(safeCause(error).stack).toContain('store-error.test.ts')
    expect(safeCause(raw("MISCONF it's stopped, see 'stop-writes' there")).message).toBe(
      "MISCONF it's stopped, see '…' there",
    )
    expect(safeCause(raw('failed', { code: 1205 }))).toMatchObject({ code: 1205 })
    expect(safeCause(raw('fetch failed', { cause: raw('no route', { code: 'ENETUNREACH' }) }))).toMatchObject(
      {
        cause: { code: 'ENETUNREACH' },
      },
    )
    // What Node throws when a name has two addresses has no message of its own.
    expect(safeCause(new AggregateError([raw('connect ECONNREFUSED ::1:5432')]))).toMatchObject({
      message: 'connect ECONNREFUSED ::1:5432',
    })
    expect(safeCause(undefined).message).toBe('undefined was thrown.')
  })

  it('ends, whatever an error is its own cause of', () => {
    const circle: Error = raw('round')
    circle.cause = circle
    expect(printed(safeCause(circle))).toContain('round')
    const trap = new Proxy(new Error('x'), {
      get() {
        throw new Error(CANARY)
      },
    })
    expect(printed(safeCause(trap))).not.toContain(CANARY)
  })
})

describe('an engine over a store whose driver tells everything', () => {
  it.each([false, true])('hands on no data, to the caller or to a hook (hashKeys: %s)', async hashKeys => {
    const heard: unknown[] = []
    const failing = (...args: unknown[]): never => {
      const told = JSON.stringify(args)
      throw raw(`cannot do: ${CANARY}-subject ${told}`, { command: { args: [told] }, detail: told })
    }
    const sessions = createSessions({
      store: {
        read: () => null,
        insert: failing,
        replace: failing,
        touch: failing,
        remove: failing,
        removeBySubject: failing,
      },
      hashKeys,
      hooks: { storeError: ({ error }) => heard.push(error) },
    })
    const session = sessions.open()
    session.set('note', CANARY)
    session.subject = `${CANARY}-subject`
    const errors = [
      await Promise.resolve()
        .then(() => sessions.commit(session, { status: 200 }))
        .catch(error => error),
      await sessions.removeBySubject(`${CANARY}-subject`).catch(error => error),
    ]
    expect(errors).toEqual(errors.map(() => expect.objectContaining({ code: 'SESSION_STORE' })))
    expect(heard).toHaveLength(2)
    expect(printed([...errors, ...heard])).not.toContain(CANARY)
    expect(printed([...errors, ...heard])).toContain('cannot do')
  })

  it("cleans the cause of a store's own error, and leaves that error", async () => {
    const own = raw('Run migrate().', { code: 'SESSION_STORE', cause: raw('no table', { sql: CANARY }) })
    const refuse = () => Promise.reject(own)
    const sessions = createSessions({
      store: { read: () => null, insert: refuse, replace: refuse, touch: refuse, remove: refuse },
    })
    const session = sessions.open()
    session.set('a', 1)
    const error = await Promise.resolve()
      .then(() => sessions.commit(session, { status: 200 }))
      .catch(error => error)
    expect(error).toBe(own)
    expect(error.cause).toMatchObject({ message: 'no table' })
    expect(printed(error)).not.toContain(CANARY)
  })
})
