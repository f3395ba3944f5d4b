import { equal, ok } from '../check.ts'
import type { CookieStoreCase } from '../cookie-fixture.ts'
import { facts } from '../store-fixture.ts'

export const refuseCases: readonly CookieStoreCase[] = [
  {
    id: 'cookie-store/garbage',
    title: 'whatever is no token is null, never an error [A29]',
    rule: 'null for whatever does not verify; it never throws for a bad token.',
    source: 'docs/design.md#cookie-sessions, docs/requirements.md#a29, docs/requirements.md#c17',
    why: 'Anybody could forge a session, or make the server answer 500, with a made-up cookie.',
    async run(f) {
      const payload = { payload: '{"admin":true}', expiresAt: f.now + 1e9 }
      const plain = JSON.stringify(payload)
      const encoded = btoa(plain).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
      const garbage = [
        '',
        ' ',
        'a',
        '=',
        '.',
        '..',
        ':',
        '::',
        ':::',
        'a.b',
        'a:b:c',
        'v1.',
        'null',
        '{}',
        '[]',
        '%00',
      ]
      garbage.push(
        '\0',
        'é',
        '😀',
        '\ud800',
        '__proto__',
        'constructor',
        plain,
        encoded,
        `${encoded}.`,
        `.${encoded}`,
      )
      garbage.push(
        `${encoded}:1:`,
        `${encoded}:1:AAAA`,
        `${encoded}.${'A'.repeat(43)}`,
        `${encoded}--${'0'.repeat(64)}`,
      )
      for (const length of [1, 2, 3, 4, 15, 16, 17, 31, 32, 33, 43, 64, 100]) garbage.push('A'.repeat(length))
      for (const bad of garbage)
        await f.refused(bad, f.context(), `the garbage ${JSON.stringify(bad.slice(0, 40))}`)
    },
  },
  {
    id: 'cookie-store/garbage-long',
    title: 'a long bad token is rejected quickly [C27]',
    rule: 'Work is linear in hostile input, and bounded.',
    source: 'docs/requirements.md#i8, docs/requirements.md#c27',
    why: 'A few requests with long cookies would stop the server.',
    async run(f) {
      const started = performance.now()
      for (const piece of ['A', ':', '.', '=', '~', 'a.', '%', '-', '\\', '\u00e9']) {
        await f.refused(
          piece.repeat(Math.floor(100_000 / piece.length)),
          f.context(),
          'a token of 100,000 characters',
        )
      }
      const took = Math.round(performance.now() - started)
      ok(took < 3_000, 'ten tokens of 100,000 characters to be refused within 3 s', `it took ${took} ms`)
    },
  },
  {
    id: 'cookie-store/bit-flips',
    title: 'a token with one character changed, at any place, is void [A28]',
    rule: 'null for whatever does not verify: every character of a token counts.',
    source: 'docs/design.md#cookie-sessions, docs/requirements.md#a28, docs/requirements.md#a29',
    why: 'A visitor could change what the session says, or make a second token that a deny list does not know.',
    async run(f) {
      const token = await f.store.seal(f.record({ payload: '{"admin":false}', subject: 'ann' }), f.context())
      for (let at = 0; at < token.length; at++) {
        for (const bit of [1, 2, 4, 8, 16, 32]) {
          const changed = String.fromCharCode(token.charCodeAt(at) ^ bit)
          const altered = token.slice(0, at) + changed + token.slice(at + 1)
          await f.refused(altered, f.context(), `a token with bit ${bit} of character ${at + 1} flipped`)
        }
      }
      ok(
        (await f.unseal(token, f.context(), 'the token')) !== null,
        'the token itself to be good',
        'it was void',
      )
    },
  },
  {
    id: 'cookie-store/truncated',
    title: 'a token cut short, at any place and end, is void',
    rule: 'null for whatever does not verify.',
    source: 'docs/design.md#cookie-sessions, docs/requirements.md#a28',
    why: 'A cookie that a proxy cut would be read as another session.',
    async run(f) {
      const token = await f.store.seal(f.record({ subject: 'ann' }), f.context())
      for (let length = 0; length < token.length; length++) {
        await f.refused(
          token.slice(0, length),
          f.context(),
          `the first ${length} of ${token.length} characters`,
        )
      }
      for (let start = 1; start < token.length; start++) {
        await f.refused(token.slice(start), f.context(), `a token without its first ${start} characters`)
      }
    },
  },
  {
    id: 'cookie-store/lengthened',
    title: 'a token with anything added is void',
    rule: 'One record, one token: every character counts.',
    source: 'docs/design.md#cookie-sessions, docs/requirements.md#a28',
    why: 'The same session would have many tokens, and a deny list of tokens would be worthless.',
    async run(f) {
      const token = await f.store.seal(f.record({ subject: 'ann' }), f.context())
      for (const extra of [
        '=',
        '==',
        'A',
        '.',
        ':',
        '-',
        '~',
        ' ',
        '\t',
        '\n',
        '\0',
        '%20',
        '"',
        'é',
        token,
      ]) {
        await f.refused(
          token + extra,
          f.context(),
          `a token followed by ${JSON.stringify(extra.slice(0, 6))}`,
        )
        await f.refused(extra + token, f.context(), `a token after ${JSON.stringify(extra.slice(0, 6))}`)
      }
      const middle = Math.floor(token.length / 2)
      for (const extra of [' ', '\n', '=', '!', '\0']) {
        const altered = token.slice(0, middle) + extra + token.slice(middle)
        await f.refused(altered, f.context(), `a token with ${JSON.stringify(extra)} in the middle`)
      }
      const swapped = token.replace(/[a-z]/gi, letter => {
        return letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()
      })
      await f.refused(swapped, f.context(), 'a token with its letters in the other case')
    },
  },
  {
    id: 'cookie-store/spliced',
    title: 'parts of two good tokens make no third',
    rule: 'null for whatever does not verify: payload, expiry, subject and purpose are verified together.',
    source: 'docs/design.md#cookie-sessions, docs/requirements.md#a28; ASVS5 9.1.1',
    why: 'A visitor could join the expiry of one session with the user of another.',
    async run(f) {
      const one = await f.store.seal(
        f.record({ payload: '{"user":"ann"}', expiresAt: f.now + 1_000 }),
        f.context(),
      )
      const two = await f.store.seal(f.record({ payload: '{"user":"bob"}', subject: 'bob' }), f.context())
      const length = Math.min(one.length, two.length)
      for (let at = 1; at < length; at++) {
        for (const spliced of [one.slice(0, at) + two.slice(at), two.slice(0, at) + one.slice(at)]) {
          if (spliced !== one && spliced !== two) await f.refused(spliced, f.context(), 'two tokens spliced')
        }
      }
      const parts = (token: string) => token.split(/([.:~|!*$-])/)
      const [a, b] = [parts(one), parts(two)]
      for (let at = 0; at < Math.min(a.length, b.length); at++) {
        const mixed = a.with(at, b[at] ?? '').join('')
        if (mixed !== one && mixed !== two)
          await f.refused(mixed, f.context(), `a token with part ${at + 1} of another`)
      }
    },
  },
  {
    id: 'cookie-store/other-secret',
    title: 'a token of another secret is void',
    rule: 'Only the listed secrets unseal.',
    source: 'docs/design.md#cookie-sessions, docs/requirements.md#a28, docs/requirements.md#a30',
    why: 'Anybody with a copy of the software could make sessions.',
    async run(f) {
      const record = f.record()
      const secret = f.secret()
      const token = await f.store.seal(record, f.context({ secrets: [secret] }))
      const near = [
        f.secret(),
        `${secret}0`,
        secret.slice(0, -1),
        `0${secret}`,
        [...secret].reverse().join(''),
      ]
      for (const other of near) {
        if (other === secret) continue
        await f.refused(token, f.context({ secrets: [other] }), 'a token of another secret')
      }
      ok(
        (await f.unseal(token, f.context({ secrets: [secret] }), 'the token')) !== null,
        'the token to be good under its own secret',
        'it was void',
      )
    },
  },
  {
    id: 'cookie-store/other-name',
    title: 'a token made for one cookie name is void under another [A9]',
    rule: 'A token made for one name is void under another.',
    source:
      'docs/design.md#cookie-sessions, docs/requirements.md#a9, docs/requirements.md#c18; CVE-2022-46170 CodeIgniter',
    why: 'A visitor could copy a token of one app, or one purpose, into another.',
    async run(f) {
      const token = await f.store.seal(f.record(), f.context({ name: 'sessionid' }))
      for (const name of [
        'session',
        'sessionid2',
        'SESSIONID',
        '__Host-sessionid',
        'essionid',
        's',
        'admin',
      ]) {
        await f.refused(token, f.context({ name }), `a token of the cookie "sessionid" in "${name}"`)
      }
      for (let at = 1; at < 'sessionid'.length; at++) {
        const [name, rest] = ['sessionid'.slice(0, at), 'sessionid'.slice(at)]
        await f.refused(
          rest + token,
          f.context({ name }),
          'a token with a part of its cookie’s name in front',
        )
      }
    },
  },
  {
    id: 'cookie-store/rotation',
    title: 'the first secret seals, every listed one unseals, a retired one does not [A30]',
    rule: 'The first seals, all unseal.',
    source:
      'docs/design.md#cookie-sessions, docs/requirements.md#a30, docs/requirements.md#c20; CVE-2025-47278 Flask',
    why: 'Changing the secret would log everybody out, or leave a leaked one in use.',
    async run(f) {
      const [first, second, third] = [f.secret(), f.secret(), f.secret()]
      const record = f.record({ subject: 'ann' })
      const sealed = async (secrets: string[]) => await f.store.seal(record, f.context({ secrets }))
      const under = (token: string, secrets: string[]) => f.unseal(token, f.context({ secrets }), 'a token')

      const old = await sealed([third])
      equal(facts(await under(old, [first, second, third])), record, 'a token of the third of three secrets')
      equal(facts(await under(old, [second, third])), record, 'a token of the second of two secrets')
      await f.refused(old, f.context({ secrets: [first, second] }), 'a token of a retired secret')

      const fresh = await sealed([first, second, third])
      equal(
        facts(await under(fresh, [first])),
        record,
        'a token sealed with a list, under its first secret alone',
      )
      await f.refused(
        fresh,
        f.context({ secrets: [second, third] }),
        'a token of the first secret under the others',
      )
    },
  },
]
