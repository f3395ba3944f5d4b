import { memoryStore, type Report, runCookieStoreCases, runStoreCases } from '@sess/conformance'
import { encryptedCookieStore, signedCookieStore } from '@sess/store-cookie'
import { loads } from '../../src/django.ts'
import { createSessions, json } from '../../src/index.ts'
import { rich } from '../../src/rich.ts'
import { sealed } from '../../src/sealed.ts'

export interface Outcome {
  passed: number
  failed: number
  skipped: number
  /** What failed, in words. */
  failures: string[]
}

/** Everything of core that a platform could do otherwise, and the contract run through the engine. Needs no test runner. */
export async function runCases(): Promise<Outcome> {
  const outcome: Outcome = { passed: 0, failed: 0, skipped: 0, failures: [] }
  const add = (name: string, report: Report): void => {
    outcome.passed += report.passed
    outcome.failed += report.failed
    outcome.skipped += report.skipped
    for (const { id, status, expected, happened, error } of report.results) {
      if (status === 'failed') outcome.failures.push(`${name}: ${id}: ${expected}; ${happened ?? error}`)
    }
  }
  add('memory', await runStoreCases(() => ({ store: memoryStore() })))
  add('encrypted', await runCookieStoreCases(() => ({ store: encryptedCookieStore() })))
  add('signed', await runCookieStoreCases(() => ({ store: signedCookieStore() })))
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check()
      outcome.passed++
    } catch (error) {
      outcome.failed++
      outcome.failures.push(`${name}: ${error}`)
    }
  }
  return outcome
}

function equal(actual: unknown, expected: unknown): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (a !== b) throw new Error(`expected ${b}, got ${a}`)
}

const checks: Record<string, () => Promise<void>> = {
  'a key is stored as the same digest on every platform': async () => {
    const store = memoryStore()
    const sessions = createSessions({ store, random: size => Uint8Array.from({ length: size }, (_, i) => i) })
    const session = sessions.open()
    session.set('a', 1)
    await sessions.commit(session, { status: 200 })
    equal(session.sessionKey, 'abcdefghijklmnopqrstuvwxyz012345')
    for await (const { id } of store.scan!({ now: Date.now() }))
      equal(id, '14dc4cd63c7e60bb18bfe87402e5844b9cf2cf37')
  },
  'keys are random': async () => {
    const keys = new Set<string>()
    for (let i = 0; i < 100; i++) {
      const sessions = createSessions({ store: memoryStore() })
      const session = sessions.open()
      session.cycleKey()
      keys.add(session.sessionKey!)
    }
    equal(keys.size, 100)
  },
  'what Django signed is read, plain and compressed': async () => {
    const options = {
      secret: 'oracle-secret-key-0123456789-abcdefghijklmnopqrstuvwxyz',
      salt: 'django.contrib.sessions.SessionStore',
    }
    equal(await loads('eyJhIjoxfQ:1r31eq:JRFvCJdUyylJKR5Xg6ALSKO_gAitP4YUhlVkXGzSxY8', options), { a: 1 })
  },
  'a sealed payload leads to its session, and nobody can read it': async () => {
    const store = memoryStore()
    const codec = sealed(json(), { secret: 'one-secret-of-the-session-payloads-0123' })
    const sessions = createSessions({ store, codec })
    const session = sessions.open()
    session.set('a', 'readable')
    const { setCookies } = await sessions.commit(session, { status: 200 })
    for await (const { payload } of store.scan!({ now: Date.now() }))
      equal(/^[\w-]{50,}$/.test(payload) && !payload.includes('readable'), true)
    const next = sessions.open(setCookies[0]?.split(';')[0])
    await next.load()
    equal(next.get('a'), 'readable')
  },
  'the rich codec keeps what JSON does not': async () => {
    const codec = rich()
    const data = await codec.decode(await codec.encode({ at: new Date(5), ids: new Set([1n]) }))
    equal([(data['at'] as Date).getTime(), String([...(data['ids'] as Set<bigint>)][0])], [5, '1'])
  },
  'negative zero stays': async () => {
    const store = memoryStore()
    const sessions = createSessions({ store })
    const session = sessions.open()
    session.set('n', -0)
    await sessions.commit(session, { status: 200 })
    const next = sessions.open(`sessionid=${session.sessionKey}`)
    await next.load()
    equal(Object.is(next.get('n'), -0), true)
  },
}
