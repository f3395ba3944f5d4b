import type { CookieStore, MaybePromise, SealContext, SessionRecord } from '@sess/core'
import type { Case } from './case.ts'
import { fail, ok, outcome, show } from './check.ts'
import { randomId } from './store-fixture.ts'

/** What the author of a cookie store hands over for one case. */
export interface CookieStoreSetup {
  store: CookieStore
  /** Called after the case, whatever came of it. */
  cleanup?: (() => MaybePromise<void>) | undefined
}

/** Makes a cookie store for one case: called once for each. */
export type CookieStoreFactory = () => MaybePromise<CookieStoreSetup>

/** A case of the contract of cookie stores. */
export type CookieStoreCase = Case<CookieStoreFixture>

/** What a case gets: a cookie store, secrets nobody else has, and the time. */
export interface CookieStoreFixture {
  store: CookieStore
  now: number
  /** The name and the secrets of this case, at its `now`. */
  context(part?: Partial<SealContext>): SealContext
  /** A fresh secret of 32 bytes, as 64 hexadecimal digits. */
  secret(): string
  record(part?: Partial<SessionRecord>): SessionRecord
  /** Unseals; an error is a failure, for a bad token is null and never an error. */
  unseal(token: string, context: SealContext, what: string): Promise<SessionRecord | null>
  /** Fails unless the token is void. */
  refused(token: string, context: SealContext, what: string): Promise<void>
}

const HOUR = 3_600_000

export function openCookieFixture({ store }: CookieStoreSetup): CookieStoreFixture {
  const now = Date.now()
  const secret = () => (randomId() + randomId()).slice(0, 64)
  const secrets = Object.freeze([secret()])

  const fixture: CookieStoreFixture = {
    store,
    now,
    secret,
    context: part => Object.freeze({ name: 'sessionid', secrets, now, ...part }),
    record: part => ({ payload: `{"is":"${randomId()}"}`, expiresAt: now + HOUR, ...part }),
    async unseal(token, context, what) {
      const settled = await outcome(() => store.unseal(token, context))
      if (settled.error !== undefined) {
        fail(`unseal() of ${what} to answer null, never to throw`, `it threw ${show(settled.error)}`)
      }
      return settled.value ?? null
    },
    async refused(token, context, what) {
      const found = await fixture.unseal(token, context, what)
      ok(found === null, `unseal() of ${what} to answer null`, `it answered ${show(found)}`)
    },
  }
  return fixture
}
