import { equal } from '../check.ts'
import type { CookieStoreCase } from '../cookie-fixture.ts'
import { facts } from '../store-fixture.ts'

export const cookieExpiryCases: readonly CookieStoreCase[] = [
  {
    id: 'cookie-store/expires',
    title: 'a token is good until the millisecond before expiresAt, whatever the browser does [C6]',
    rule: 'The record, or null for whatever has expired.',
    source:
      'docs/design.md#cookie-sessions, docs/requirements.md#c6, docs/requirements.md#a28; CVE-2024-35220',
    why: 'A copied cookie would work for ever: browsers forget on time, thieves do not.',
    async run(f) {
      const record = f.record({ expiresAt: f.now + 60_000 })
      const token = await f.store.seal(record, f.context())
      const at = (now: number) => f.unseal(token, f.context({ now }), 'a token')
      equal(facts(await at(f.now + 59_999)), record, 'what is unsealed with one millisecond left')
      equal(await at(f.now + 60_000), null, 'what is unsealed at the millisecond of expiresAt')
      equal(await at(f.now + 1e10), null, 'what is unsealed long after')
    },
  },
  {
    id: 'cookie-store/arrives-expired',
    title: 'a record that was sealed expired is never unsealed',
    rule: 'null for whatever has expired.',
    source: 'docs/design.md#cookie-sessions, docs/requirements.md#i7',
    why: 'A session ended by setting its expiry to the past would live on, perhaps for ever.',
    async run(f) {
      for (const expiresAt of [f.now, f.now - 1, f.now - 1e9, 1, 0, -1]) {
        const token = await f.store.seal(f.record({ expiresAt }), f.context())
        await f.refused(token, f.context(), `a token with expiresAt ${expiresAt - f.now} ms from now`)
      }
    },
  },
  {
    id: 'cookie-store/far-future',
    title: 'a token that lives for years keeps its expiry [F23]',
    rule: 'expiresAt is milliseconds since the epoch, up to the year 9999.',
    source: 'docs/design.md#store-record, docs/requirements.md#f23',
    why: '"Remember me" would end at once, in 2038, or never.',
    async run(f) {
      for (const expiresAt of [f.now + 60 * 86_400_000, Date.UTC(2038, 0, 20), 253_402_300_799_000]) {
        const record = f.record({ expiresAt })
        const token = await f.store.seal(record, f.context())
        const late = f.context({ now: expiresAt - 1 })
        equal(facts(await f.unseal(token, f.context(), 'a token')), record, 'the record, unsealed now')
        equal(
          facts(await f.unseal(token, late, 'a token')),
          record,
          'the record, unsealed at the end of its life',
        )
        await f.refused(token, f.context({ now: expiresAt }), 'a token of years at its end')
      }
    },
  },
  {
    id: 'cookie-store/sealed-again',
    title: 'extending seals again: the new token lives longer, the old one no longer',
    rule: 'The expiry is the record’s, inside the token.',
    source: 'docs/design.md#cookie-sessions, docs/design.md#cookie-extension',
    why: 'Active visitors would be thrown out.',
    async run(f) {
      const record = f.record({ expiresAt: f.now + 1_000 })
      const first = await f.store.seal(record, f.context())
      const longer = { ...record, expiresAt: f.now + 90_000 }
      const second = await f.store.seal(longer, f.context({ now: f.now + 500 }))
      const later = f.context({ now: f.now + 50_000 })
      equal(
        facts(await f.unseal(second, later, 'the second token')),
        longer,
        'the record of the second token',
      )
      await f.refused(first, later, 'the first token after its end')
    },
  },
]
