import { equal, fail, ok, sameText, show } from '../check.ts'
import type { CookieStoreCase } from '../cookie-fixture.ts'
import { facts } from '../store-fixture.ts'

/** Whatever is not a cookie-octet (RFC 6265 section 4.1.1). */
const foreign = /[^\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]/

export const sealCases: readonly CookieStoreCase[] = [
  {
    id: 'cookie-store/round-trip',
    title: 'what was sealed is unsealed: payload, expiry and subject',
    rule: 'unseal gives the record that seal was given.',
    source: 'docs/design.md#cookie-sessions',
    why: 'The visitor would find another session, or none.',
    async run(f) {
      for (const record of [f.record(), f.record({ subject: 'ann', expiresAt: f.now + 1_234_567 })]) {
        const token = await f.store.seal(record, f.context())
        const found = await f.unseal(token, f.context(), 'a token just sealed')
        equal(facts(found), record, 'the unsealed record')
        equal(
          facts(await f.unseal(token, f.context(), 'the token')),
          record,
          'the record unsealed a second time',
        )
      }
    },
  },
  {
    id: 'cookie-store/many',
    title: 'many tokens of many secrets and names do not get in each other’s way',
    rule: 'A token depends on its record and its context alone.',
    source: 'docs/design.md#cookie-sessions, docs/requirements.md#a31',
    why: 'Two apps in one process would read, or void, each other’s sessions.',
    async run(f) {
      const jobs = Array.from({ length: 40 }, (_, n) => ({
        context: f.context({ name: `name${n % 5}`, secrets: [f.secret()] }),
        record: f.record({ subject: `user-${n}` }),
      }))
      const tokens = await Promise.all(
        jobs.map(async ({ context, record }) => await f.store.seal(record, context)),
      )
      const found = await Promise.all(
        jobs.map(({ context }, n) => f.unseal(tokens[n] ?? '', context, 'one of 40 tokens')),
      )
      for (const [n, { record }] of jobs.entries())
        equal(facts(found[n]), record, `the record of token ${n + 1}`)
    },
  },
  {
    id: 'cookie-store/alphabet',
    title: 'a token holds only what a cookie value may hold [A14]',
    rule: 'Characters that a cookie value may hold (RFC 6265 section 4.1.1).',
    source: 'docs/design.md#cookie-sessions, docs/requirements.md#a14',
    why: 'Browsers and proxies would cut the cookie, or throw it away.',
    async run(f) {
      for (let n = 0; n < 50; n++) {
        const payload = `${'"'.repeat(n)};, \\é😀\n${String.fromCodePoint(0x21 + n)}`
        const token = await f.store.seal(f.record({ payload, subject: `änn, "${n}"` }), f.context())
        if (typeof token !== 'string') fail('the token to be a string', `it was ${show(token)}`)
        ok(token.length > 0, 'a token with characters in it', 'it was empty')
        const bad = foreign.exec(token)
        if (bad) fail('no character outside of RFC 6265’s cookie-octets', `the token held ${show(bad[0])}`)
      }
    },
  },
  {
    id: 'cookie-store/size',
    title: 'two thousand characters of session fit into one cookie [A13]',
    rule: 'Name and value of a cookie are 4096 octets at the most, so a token must not waste them.',
    source: 'docs/requirements.md#a13; RFC 6265bis section 5.6',
    why: 'Small sessions would need several cookies, sent with every request.',
    async run(f) {
      let noise = ''
      while (noise.length < 2_000) noise += f.secret()
      const token = await f.store.seal(
        f.record({ payload: noise.slice(0, 2_000), subject: 'ann' }),
        f.context(),
      )
      ok(token.length <= 3_600, 'a token of 3,600 characters at the most', `it had ${token.length}`)
    },
  },
  {
    id: 'cookie-store/payload',
    title: 'any text comes back unchanged [F32]',
    rule: 'payload is text the store never looks into: any Unicode.',
    source: 'docs/design.md#store-record, docs/requirements.md#f32',
    why: 'A name in another script would be garbled.',
    async run(f) {
      const planes = Array.from({ length: 17 }, (_, plane) =>
        [0x41, 0xe9, 0x4e2d, 0xfffd].map(at => String.fromCodePoint(plane * 0x10000 + at)).join(''),
      )
      const texts = [
        planes.join(' '),
        '',
        '\uFEFFmark first',
        'nul\0 and\r\nlines\n',
        'not json {',
        '{"__proto__":{"isAdmin":true}}',
        '  blanks  ',
        'a.b:c.d:e--f|g~h',
        'null',
      ]
      for (const payload of texts) {
        const token = await f.store.seal(f.record({ payload }), f.context())
        sameText(
          (await f.unseal(token, f.context(), 'a token'))?.payload,
          payload,
          `the payload ${show(payload)}`,
        )
      }
    },
  },
  {
    id: 'cookie-store/payload-big',
    title: 'a payload of 1 MiB comes back whole',
    rule: 'A token is of any length; up to maxBytes, 1 MiB unless configured.',
    source: 'docs/design.md#cookie-sessions, docs/requirements.md#f37',
    why: 'How much fits into cookies is the engine’s to say: a store that cuts makes it a broken session.',
    async run(f) {
      for (const payload of ['a'.repeat(1_048_576), '0123456789abcde'.repeat(60_000)]) {
        const token = await f.store.seal(f.record({ payload }), f.context())
        sameText(
          (await f.unseal(token, f.context(), 'a token of 1 MiB'))?.payload,
          payload,
          'a payload of about 1 MiB',
        )
      }
    },
  },
  {
    id: 'cookie-store/isolation',
    title: 'neither the record nor the context is written to, and each unseal gives a new object',
    rule: 'What comes out shares no object with what went in.',
    source: 'docs/design.md#cookie-sessions',
    why: 'One request would see what another is only trying out.',
    async run(f) {
      const record = Object.freeze(f.record({ subject: 'ann' }))
      const token = await f.store.seal(record, f.context())
      const first = await f.unseal(token, f.context(), 'a token')
      if (first === null) fail('the token to be unsealed', 'unseal() answered null')
      Object.assign(first, { payload: 'changed', subject: 'eve', expiresAt: f.now + 1 })
      equal(
        facts(await f.unseal(token, f.context(), 'a token')),
        record,
        'the record after that object was changed',
      )
    },
  },
]
