import { equal, fail, ok, outcome, sameText } from '../check.ts'
import { type Dimensions, pointsThrough } from '../space/dimensions.ts'
import { LIVES, nextFall, SIZES, TEXTS, textOf } from '../space/values.ts'
import { facts, type StoreCase, type StoreFixture, without } from '../store-fixture.ts'
import { CHECK_REMEDIES } from './check-remedies.ts'

/** How a record came to be what it is. */
type Written = 'insert' | 'replace' | 'shrink' | 'touch' | 'reborn'

interface Life {
  text: string
  size: number
  life: (now: number) => number
  written: Written
  by: 'same' | 'other'
  subject: boolean
  shift: number
}

const DIMENSIONS: Dimensions<Life> = {
  text: TEXTS,
  size: SIZES,
  life: LIVES,
  written: (['insert', 'replace', 'shrink', 'touch', 'reborn'] as const).map(name => ({ name, is: name })),
  by: (['same', 'other'] as const).map(name => ({ name, is: name })),
  subject: [false, true].map(is => ({ name: is ? 'some' : 'none', is })),
  shift: [0, 1, 2, 3].map(is => ({ name: String(is), is })),
}

async function live(f: StoreFixture, point: Life, name: string): Promise<void> {
  const id = f.id()
  const size = Math.min(point.size, f.maxBytes)
  const payload = textOf(point.text, size, point.shift)
  const expiresAt = point.life(f.clock.now())
  const record = f.record({ payload, expiresAt, ...(point.subject && { subject: `user-${id}` }) })
  const writer = point.by === 'same' ? f.store : f.other
  const answer = async (call: Promise<unknown>, expected: unknown, what: string) =>
    equal(await call, expected, `the answer of ${what} (${name})`)

  if (point.written === 'insert') {
    await answer((async () => await writer.insert(id, record, f.context()))(), true, 'insert()')
  } else if (point.written === 'reborn') {
    await f.stored(
      { payload: textOf('before', Math.min(size + 70_000, f.maxBytes), 0), subject: `old-${id}` },
      id,
    )
    await answer((async () => await writer.remove(id, undefined, f.context()))(), 'ok', 'remove()')
    await answer(
      (async () => await writer.insert(id, record, f.context()))(),
      true,
      'insert() after remove()',
    )
  } else if (point.written === 'touch') {
    const { version } = await f.stored({ payload, ...(record.subject && { subject: record.subject }) }, id)
    await answer((async () => await writer.touch(id, expiresAt, version, f.context()))(), true, 'touch()')
  } else {
    const before = point.written === 'shrink' ? Math.min(2 * size + 70_000, f.maxBytes) : 1
    const { version } = await f.stored({ payload: textOf('before', before, 0) }, id)
    await answer((async () => await writer.replace(id, record, version, f.context()))(), 'ok', 'replace()')
  }

  let version = ''
  for (const [reader, which] of [
    [f.store, 'the store'],
    [f.other, 'another store object'],
  ] as const) {
    const found = await reader.read(id, f.context())
    if (!found) fail(`${which} to read the record (${name})`, 'read() answered null')
    sameText(found.payload, payload, `the payload that ${which} reads (${name})`)
    equal(found.expiresAt, expiresAt, `the expiry that ${which} reads (${name})`, CHECK_REMEDIES.expiry)
    equal(found.subject, record.subject, `the subject that ${which} reads (${name})`)
    version = found.version
  }
  if (record.subject !== undefined && f.store.scanBySubject) {
    const entries = []
    for await (const entry of f.store.scanBySubject(record.subject, f.context())) entries.push(entry)
    equal(entries.length, 1, `the number of records that scanBySubject() gave (${name})`)
    sameText(entries[0]?.payload, payload, `the payload that scanBySubject() gave (${name})`)
    equal(
      [entries[0]?.id, entries[0]?.expiresAt],
      [id, expiresAt],
      `id and expiry by scanBySubject() (${name})`,
    )
  }
  await keptByBackend(f, id, expiresAt, name)

  await answer(
    (async () => await f.other.touch(id, expiresAt - 1, version, f.context()))(),
    true,
    'touch() later on',
  )
  const touched = await f.readLive(id, `the record after a touch (${name})`)
  sameText(touched.payload, payload, `the payload after touch() (${name})`)
  equal(touched.expiresAt, expiresAt - 1, `the expiry after touch() (${name})`, CHECK_REMEDIES.expiry)
  await answer(
    (async () => await writer.remove(id, touched.version, f.context()))(),
    'ok',
    'remove() at the version',
  )
  equal(await f.read(id), null, `what is read after remove() (${name})`)
}

/** Some backends know no later date, such as memcached: they keep the record until then, or for ever. */
const LAST_DATE_OF_32_BITS = 2_147_483_647_000

/** Whether the backend itself keeps the record as long as it lives, and drops it some day. */
async function keptByBackend(f: StoreFixture, id: string, expiresAt: number, name: string): Promise<void> {
  if (!f.expiryOf) return
  const drops = await f.expiryOf(id)
  if (drops === undefined) {
    ok(
      f.store.clearExpired !== undefined || expiresAt > LAST_DATE_OF_32_BITS,
      `the backend to drop the record some day, because the store offers no clearExpired() (${name})`,
      'it has no expiry there',
      CHECK_REMEDIES.backendLife,
    )
    return
  }
  ok(
    drops >= Math.min(expiresAt, LAST_DATE_OF_32_BITS) && drops <= expiresAt + 86_400_000,
    `the backend to keep the record until expiresAt and no day longer (${name})`,
    `it drops it ${span(Math.abs(drops - expiresAt))} ${drops < expiresAt ? 'before' : 'after'} expiresAt`,
    CHECK_REMEDIES.backendLife,
  )
}

/** A time as a person says it. */
function span(ms: number): string {
  const [unit, name] = (
    [
      [86_400_000, 'days'],
      [3_600_000, 'hours'],
      [60_000, 'minutes'],
      [1_000, 'seconds'],
    ] as const
  ).find(([each]) => ms >= 2 * each) ?? [1, 'ms']
  return `${Math.round(ms / unit)} ${name}`
}

interface Part {
  dimension: keyof Life & string
  rule: string
  why: string
}

const PARTS: readonly Part[] = [
  {
    dimension: 'text',
    rule: 'payload is text the store never looks into: any Unicode.',
    why: 'A name, a word or a sign that a visitor typed would come back as something else.',
  },
  {
    dimension: 'size',
    rule: 'payload comes back whole up to maxBytes, wherever a page, an item or a chunk ends.',
    why: 'A cart that grows past a certain size would be cut, garbled, or mixed with an older one.',
  },
  {
    dimension: 'life',
    rule: 'expiresAt is milliseconds since the epoch, up to the year 9999, by whatever call it is set.',
    why: 'A visitor who is remembered for long would be logged out at once, or an hour too early once a year.',
  },
  {
    dimension: 'written',
    rule: 'A record is what the last call made it, whatever was there before.',
    why: 'What was saved last would come back with remains of what was there before.',
  },
]

const space: readonly StoreCase[] = PARTS.flatMap(({ dimension, rule, why }) =>
  DIMENSIONS[dimension].map(({ name }) => ({
    id: `store/life-${dimension}-${name}`,
    family: `life-${dimension}`,
    title: `a record with ${dimension} "${name}" comes back whole in every combination`,
    rule,
    source: 'docs/design.md#store-record; docs/conformance-space.md, a record',
    why,
    async run(f: StoreFixture) {
      for (const { point, name: chosen } of pointsThrough(DIMENSIONS, dimension, name, f.quick ? 1 : 12))
        await live(f, point, chosen)
    },
  })),
)

async function roundTrip(f: StoreFixture, payload: string, what: string): Promise<void> {
  const { id, version } = await f.stored({ payload })
  sameText((await f.readLive(id, what)).payload, payload, what)
  const next = `${payload.slice(0, -1)}z`
  equal(
    await f.store.replace(id, f.record({ payload: next }), version, f.context()),
    'ok',
    `replace() of ${what}`,
  )
  sameText((await f.other.read(id, f.context()))?.payload, next, `${what}, replaced,`)
}

export const lifeCases: readonly StoreCase[] = [
  ...space,
  {
    id: 'store/payload-boundaries',
    title: 'wherever a store cuts a payload, no character is cut',
    rule: 'Any Unicode: a part that ends within a character, or within a surrogate pair, is put together again.',
    source: 'docs/design.md#store-record; RFC 3629 section 3; docs/conformance-space.md, a record',
    why: 'An emoji in the middle of a big cart would become two question marks.',
    async run(f) {
      const size = Math.min(f.maxBytes, f.quick ? 20_000 : 200_000)
      for (const [character, bytes] of [
        ['😀', 4],
        ['日', 3],
        ['é', 2],
      ] as const) {
        for (let shift = 0; shift < bytes; shift++) {
          const middle = character.repeat(Math.floor((size - shift - 1) / bytes))
          const payload = `${'x'.repeat(shift)}${middle}y`
          await roundTrip(f, payload, `a payload of ${character} from byte ${shift} on`)
        }
      }
    },
  },
  {
    id: 'store/zones',
    // It changes the zone of the process.
    alone: true,
    title:
      'the hour that happens twice in autumn, and the one that never does in spring, are as long as others',
    rule: 'expiresAt is milliseconds since the epoch, and no date and time of a zone.',
    source: 'docs/design.md#store-record; docs/conformance-space.md, time',
    why: 'Once a year visitors would be logged out an hour early, or stay an hour too long.',
    async run(f) {
      const zone = globalThis.process?.env
      const own = zone?.['TZ']
      try {
        if (zone) zone['TZ'] = 'America/New_York'
        const fall = nextFall(f.clock.now())
        const spring = fall + 126 * 86_400_000
        const times = [-1, 0, 1, 2].flatMap(hour => [
          fall + hour * 3_600_000 + 1_800_001,
          spring + hour * 3_600_000 + 7,
        ])
        for (const expiresAt of times) {
          const { id, version } = await f.stored({ expiresAt })
          equal((await f.readLive(id, 'the record')).expiresAt, expiresAt, 'the expiry after insert()')
          const record = f.record({ expiresAt: expiresAt + 5 })
          equal(await f.store.replace(id, record, version, f.context()), 'ok', 'the answer of replace()')
          const found = await f.readLive(id, 'the record')
          equal(found.expiresAt, expiresAt + 5, 'the expiry after replace()')
          equal(
            await f.store.touch(id, expiresAt + 9, found.version, f.context()),
            true,
            'the answer of touch()',
          )
          equal((await f.readLive(id, 'the record')).expiresAt, expiresAt + 9, 'the expiry after touch()')
        }
      } finally {
        if (zone) {
          if (own === undefined) delete zone['TZ']
          else zone['TZ'] = own
        }
      }
    },
  },
  {
    id: 'store/version-equal-hashes',
    title: 'records whose 32-bit hashes are equal have different versions',
    rule: 'A version changes with the record; a checksum of 32 bits collides.',
    source: 'docs/design.md#store-version, docs/requirements.md#c33',
    why: 'Of two overlapping changes one would be lost whenever their checksums happen to be equal.',
    async run(f) {
      // Equal by Java's hash, by CRC-32, and by FNV-1a of 32 bits.
      const pairs = [
        ['AaAaAaAa', 'BBBBBBBB'],
        ['plumless', 'buckeroo'],
        ['costarring', 'liquid'],
      ] as const
      for (const [before, after] of pairs) {
        const { id, version } = await f.stored({ payload: before })
        equal(
          await f.store.replace(id, f.record({ payload: after }), version, f.context()),
          'ok',
          'the first replace()',
        )
        const late = f.record()
        equal(await f.store.replace(id, late, version, f.context()), 'stale', 'replace() at the old version')
        equal(
          await f.store.touch(id, late.expiresAt, version, f.context()),
          false,
          'touch() at the old version',
        )
        equal(await f.store.remove(id, version, f.context()), 'stale', 'remove() at the old version')
      }
    },
  },
  {
    id: 'store/version-of-empty',
    title: 'the version of an empty payload is a version like any other',
    rule: 'remove with a version removes only at that version, be it an empty text or "0".',
    source: 'docs/design.md#store-remove, docs/design.md#store-version',
    why: 'A logout that comes late would end a session that has been changed since.',
    async run(f) {
      for (const payload of ['', '0', 'null', 'undefined']) {
        const { id, version } = await f.stored({ payload })
        equal(await f.store.replace(id, f.record(), version, f.context()), 'ok', 'the answer of replace()')
        const what = `at the version of the payload ${JSON.stringify(payload)}, which was replaced since`
        equal(await f.store.remove(id, version, f.context()), 'stale', `remove() ${what}`)
        equal(await f.store.replace(id, f.record(), version, f.context()), 'stale', `replace() ${what}`)
        equal(
          await f.store.touch(id, f.clock.now() + 9_000_000, version, f.context()),
          false,
          `touch() ${what}`,
        )
        await f.readLive(id, 'the record')
      }
    },
  },
  {
    id: 'store/hidden-in-subject',
    title: 'U+0000 in a subject is kept, or is an error; nothing is cut',
    rule: 'Exact round trip or clear refusal.',
    source: 'docs/design.md#store-record; PostgreSQL text cannot hold U+0000, C strings end there',
    why: 'Logging one user out everywhere would log out another whose name begins the same.',
    skip: without('removeBySubject'),
    async run(f) {
      const base = f.id()
      const short = await f.stored({ subject: `${base}a` })
      const [one, two] = [f.id(), f.id()]
      const insert = (id: string, subject: string) =>
        outcome(() => f.store.insert(id, f.record({ subject }), f.context()))
      const first = await insert(one, `${base}a\0b`)
      if (first.error !== undefined) {
        equal(await f.read(one), null, 'what is read after insert() refused the subject')
        return
      }
      equal((await insert(two, `${base}a\0c`)).value, true, 'the answer of insert()')
      equal((await f.readLive(one, 'the record')).subject, `${base}a\0b`, 'its subject')
      equal(
        await f.store.removeBySubject?.(`${base}a`, f.context()),
        1,
        'the answer for the part before U+0000',
      )
      equal(await f.read(short.id), null, 'what is read of that session')
      equal(
        await f.store.removeBySubject?.(`${base}a\0b`, f.context()),
        1,
        'the answer for the subject with U+0000',
      )
      equal(facts(await f.read(one)), null, 'what is read of that session')
      await f.readLive(two, 'the session of a subject that differs behind U+0000')
    },
  },
]
