import { equal, ok, outcome, sameText, show } from '../check.ts'
import { textOf } from '../space/values.ts'
import type { StoreCase, StoreFixture } from '../store-fixture.ts'

async function roundTrip(f: StoreFixture, payload: string, what: string): Promise<void> {
  const { id, version } = await f.stored({ payload })
  sameText((await f.readLive(id, what)).payload, payload, `${what}, inserted,`)
  const other = await f.stored()
  const answer = await f.store.replace(other.id, f.record({ payload }), other.version, f.context())
  equal(answer, 'ok', `the answer of replace() with ${what}`)
  const found = await f.readLive(other.id, what)
  sameText(found.payload, payload, `${what}, replaced,`)
  const later = f.clock.now() + 7_200_000
  equal(await f.store.touch(id, later, version, f.context()), true, `the answer of touch() with ${what}`)
  const next = await f.store.replace(other.id, f.record(), found.version, f.context())
  equal(next, 'ok', `the answer of replace() of ${what}`)
}

export const payloadCases: readonly StoreCase[] = [
  {
    id: 'store/payload-big',
    title: 'a payload of 1 MiB, or of the store’s own maxBytes, comes back whole [C22]',
    rule: 'Up to the store’s `maxBytes`, and 1 MiB of UTF-8 if it declares none: stored whole.',
    source: 'docs/design.md#store-record, docs/requirements.md#c22; CVE-2016-3171 Drupal, 64 KB columns',
    why: 'A big cart would be cut in the middle and be unreadable from then on.',
    async run(f) {
      await roundTrip(f, textOf('', f.maxBytes, 0), `a payload of ${f.maxBytes} bytes that does not compress`)
    },
  },
  {
    id: 'store/payload-big-wide',
    title: 'a payload of 1 MiB of four-byte characters comes back whole [C22]',
    rule: 'maxBytes counts bytes of UTF-8.',
    source: 'docs/design.md#store-record, docs/requirements.md#c22; CVE-2015-8562 Joomla',
    why: 'An emoji would cut off the rest of the session.',
    async run(f) {
      const count = Math.floor(f.maxBytes / 4)
      await roundTrip(f, '😀'.repeat(count), `a payload of ${count} emoji`)
    },
  },
  {
    id: 'store/payload-unicode',
    title: 'text of every Unicode plane comes back unchanged',
    rule: 'Any Unicode.',
    source: 'docs/design.md#store-record, docs/requirements.md#f32',
    why: 'A name in another script would be garbled.',
    async run(f) {
      const planes = Array.from({ length: 17 }, (_, plane) =>
        [0x41, 0xe9, 0x3b1, 0x5d0, 0x4e2d, 0xabcd, 0xfffd]
          .map(at => String.fromCodePoint(plane * 0x10000 + at))
          .join(''),
      )
      await roundTrip(f, planes.join(' '), 'a payload with every plane')
      await roundTrip(
        f,
        '\u{1F468}\u200D\u{1F469}\u200D\u{1F467} e\u0301 é \u202Etfel',
        'a payload with joiners',
      )
      await roundTrip(f, '\uFEFFmark first', 'a payload that begins with a byte order mark')
    },
  },
  {
    id: 'store/payload-syntax',
    title: 'quotes, backslashes, line ends and blanks at the ends come back unchanged',
    rule: 'Text the store never looks into.',
    source: 'docs/design.md#store-record, docs/requirements.md#f32, docs/requirements.md#c25',
    why: 'A value with a quote in it would break the session, or the database.',
    async run(f) {
      const texts = [
        `it's "quoted" \\ and \\\\ \`ticked\``,
        'one\r\ntwo\nthree\rfour\u2028five\n',
        '  blanks at both ends\t ',
        "'); DROP TABLE django_session; --",
        '%s %d $x #{x} {{x}} :name $1 ? * _',
        '\u0001\u0007\u001b[31m\u007f',
        'null',
        '0',
        '{"__proto__":{"isAdmin":true}}',
        '<!-- ]]> &amp; --><?xml?>',
      ]
      for (const text of texts) await roundTrip(f, text, `the payload ${show(text)}`)
    },
  },
  {
    id: 'store/payload-markers',
    title: 'a payload that begins as a store might mark its own forms comes back unchanged, short or long',
    rule: 'Text the store never looks into. A mark of the store’s own is kept apart from it, or is put before every payload.',
    source: 'docs/design.md#store-record; payloads of Django begin with a dot if they are compressed',
    why: 'A payload of Django that begins with ".eJ" would be decompressed by the store, and the session could never be read.',
    async run(f) {
      const body = 'eyJhIjoxfQ:1xXcpJ:n0kq'
      for (const mark of [
        '.',
        '.eJx',
        'gz:',
        'z:',
        'br:',
        'eJ',
        'H4sI',
        '{',
        '[',
        '"',
        '$',
        '#',
        '@',
        '!',
        '~',
        'j:',
        's:',
        'b64:',
        'base64,',
        'data:',
        'enc:',
        'v1:',
        '\u001f\u008b',
        '\u0001',
      ])
        for (const text of [`${mark}${body}`, `${mark}${body.repeat(100)}`])
          await roundTrip(f, text, `a payload of ${text.length} characters that begins with ${show(mark)}`)
    },
  },
  {
    id: 'store/payload-empty',
    title: 'the empty payload is a payload',
    rule: 'Text the store never looks into: an empty one is live, not absent.',
    source: 'docs/design.md#store-record',
    why: 'An emptied session would be taken for none, and the visitor logged out.',
    async run(f) {
      await roundTrip(f, '', 'the empty payload')
    },
  },
  {
    id: 'store/payload-nul',
    title: 'a NUL character comes back, or is an error; nothing is cut',
    rule: 'Exact round trip or clear refusal.',
    source: 'docs/requirements.md#f32; PostgreSQL text cannot hold U+0000, C strings end there',
    why: 'Everything after the character would be lost without a word.',
    async run(f) {
      const payload = 'before\0after'
      const id = f.id()
      const inserted = await outcome(() => f.store.insert(id, f.record({ payload }), f.context()))
      const found = await f.read(id)
      if (inserted.error === undefined) sameText(found?.payload, payload, 'a payload with a NUL character')
      else equal(found, null, 'what is read after insert() refused a NUL character')
    },
  },
  {
    id: 'store/frozen-input',
    title: 'the store does not write to the record or the context it is given',
    rule: 'What goes in stays the caller’s.',
    source: 'docs/design.md#store-contract',
    why: 'The engine would save something else on its second try.',
    async run(f) {
      const id = f.id()
      const context = () => Object.freeze(f.context())
      const frozen = () => Object.freeze(f.record({ subject: 'ann' }))
      equal(
        await f.store.insert(id, frozen(), context()),
        true,
        'the answer of insert() with a frozen record',
      )
      const first = await f.readLive(id, 'the record')
      equal(await f.store.replace(id, frozen(), first.version, context()), 'ok', 'the answer of replace()')
      const second = await f.readLive(id, 'the record')
      const later = second.expiresAt + 1
      equal(await f.store.touch(id, later, second.version, context()), true, 'the answer of touch()')
      const record = f.record({ subject: 'ann' })
      const before = JSON.stringify(record)
      equal(await f.store.insert(f.id(), record, context()), true, 'the answer of insert()')
      equal(JSON.stringify(record), before, 'the record that was handed in, after insert()')
    },
  },
  {
    id: 'store/isolation-in',
    title: 'changing a record after it was handed in changes nothing in the store',
    rule: 'What comes out shares no object with what went in.',
    source: 'docs/design.md#store-contract',
    why: 'A change that was never saved, or was refused, would show up in the next request.',
    async run(f) {
      const id = f.id()
      const record = f.record()
      const payload = record.payload
      equal(await f.store.insert(id, record, f.context()), true, 'the answer of insert()')
      Object.assign(record, {
        payload: 'changed after insert()',
        subject: 'eve',
        expiresAt: record.expiresAt + 5,
      })
      const found = await f.readLive(id, 'the record')
      equal(found.payload, payload, 'its payload after the inserted object was changed')
      equal(found.subject, undefined, 'its subject after the inserted object was changed')
      const next = f.record()
      const expected = next.payload
      equal(await f.store.replace(id, next, found.version, f.context()), 'ok', 'the answer of replace()')
      next.payload = 'changed after replace()'
      equal(
        (await f.readLive(id, 'the record')).payload,
        expected,
        'its payload after that object was changed',
      )
    },
  },
  {
    id: 'store/isolation-out',
    title: 'changing what was read changes nothing in the store',
    rule: 'What comes out shares no object with what went in.',
    source: 'docs/design.md#store-contract',
    why: 'One request would see, and save, what another is only trying out.',
    async run(f) {
      const { id, record } = await f.stored()
      const first = await f.readLive(id, 'the record')
      const second = await f.readLive(id, 'the record')
      ok(first !== second, 'each read to give an object of its own', 'two reads gave the same object')
      const changed = { payload: 'changed after read()', subject: 'eve', expiresAt: 0, version: 'changed' }
      // A record that is frozen, or has getters, cannot be changed: that is as good.
      for (const [name, value] of Object.entries(changed)) Reflect.set(first, name, value)
      const third = await f.readLive(id, 'the record')
      equal(third.payload, record.payload, 'its payload after the object read before was changed')
      equal(third.subject, undefined, 'its subject after that')
      equal(third.version, second.version, 'its version after that')
    },
  },
]
