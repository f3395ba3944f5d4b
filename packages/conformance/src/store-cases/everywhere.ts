import { DoesNotApply } from '../case.ts'
import { equal, ok, show } from '../check.ts'
import { type Dimensions, pointsThrough } from '../space/dimensions.ts'
import { SUBJECTS } from '../space/values.ts'
import { type StoreCase, type StoreFixture, without } from '../store-fixture.ts'
import { CHECK_REMEDIES } from './check-remedies.ts'

/** How a session came to be a subject's. */
type Origin = 'insert' | 'replace' | 'touch' | 'moved' | 'reborn' | 'saved-again'

interface Everywhere {
  name: { subject: string; others: readonly string[] }
  count: number
  lives: 'equal' | 'short-last' | 'short-first' | 'long'
  origin: Origin
  except: 'nobody' | 'first' | 'middle' | 'last' | 'stranger' | 'unknown'
  cleared: boolean
}

const named = <T extends string>(...names: T[]) => names.map(name => ({ name, is: name }))

const DIMENSIONS: Dimensions<Everywhere> = {
  name: SUBJECTS,
  count: [
    { name: 'few', is: 4 },
    { name: 'one', is: 1 },
    { name: 'batch', is: 27 },
  ],
  lives: named('equal', 'short-last', 'short-first', 'long'),
  origin: named('insert', 'replace', 'touch', 'moved', 'reborn', 'saved-again'),
  except: named('nobody', 'first', 'middle', 'last', 'stranger', 'unknown'),
  cleared: [false, true].map(is => ({ name: is ? 'yes' : 'no', is })),
}

/** Names to which nothing can be added lest they mean nothing any more. Other tests on the same backend may have them too. */
const EXACT = new Set([
  'constructor',
  'proto',
  'to-string',
  'dot',
  'dots',
  'blank',
  'nothing',
  'number',
  'field',
])

/** Runs some calls at once, and never more than `width` of them. */
export async function eachOf<T, R>(
  items: readonly T[],
  run: (item: T, n: number) => Promise<R>,
  width = 25,
): Promise<R[]> {
  const results: R[] = []
  for (let from = 0; from < items.length; from += width) {
    results.push(
      ...(await Promise.all(items.slice(from, from + width).map((item, n) => run(item, from + n)))),
    )
  }
  return results
}

/** Makes a session of `subject` the way `origin` says. */
async function begin(
  f: StoreFixture,
  origin: Origin,
  subject: string,
  expiresAt: number,
  n: number,
): Promise<string> {
  const id = f.id()
  const context = f.context()
  const record = f.record({ subject, expiresAt })
  const store = n % 2 ? f.other : f.store
  if (origin === 'insert') {
    equal(await store.insert(id, record, context), true, 'the answer of insert()')
    return id
  }
  if (origin === 'reborn') {
    await f.stored({ subject: `old-${id}` }, id)
    equal(await store.remove(id, undefined, context), 'ok', 'the answer of remove()')
    equal(await store.insert(id, record, context), true, 'the answer of insert() after remove()')
    return id
  }
  const before = { replace: undefined, touch: subject, moved: `old-${id}`, 'saved-again': subject }[origin]
  const { version } = await f.stored(
    origin === 'touch'
      ? {
          subject,
          expiresAt: Math.min(expiresAt, f.clock.now() + (f.clock.exact ? f.clock.life : 1_800_000)),
        }
      : before === undefined
        ? {}
        : { subject: before },
    id,
  )
  if (origin === 'touch')
    equal(await store.touch(id, expiresAt, version, context), true, 'the answer of touch()')
  else equal(await store.replace(id, record, version, context), 'ok', 'the answer of replace()')
  return id
}

async function logOut(f: StoreFixture, point: Everywhere, exact: boolean, name: string): Promise<void> {
  const base = exact ? '' : f.id()
  const subjectOf = (text: string) => (base + text).slice(0, 255)
  const subject = subjectOf(point.name.subject)
  // Of what is exact, an earlier run may have left some.
  if (exact) await f.store.removeBySubject?.(subject, f.context())
  const others = [...new Set(point.name.others.map(subjectOf))].filter(other => other !== subject)
  const strangers = await eachOf(others, async other => (await f.stored({ subject: other })).id)
  const anonymous = (await f.stored()).id

  const now = f.clock.now()
  const short = (n: number) =>
    point.lives === 'short-last' ? n >= point.count - 1 : point.lives === 'short-first' ? n === 0 : false
  const life = (n: number) =>
    short(n) ? now + f.clock.life + 500 : now + (point.lives === 'long' ? 40 * 86_400_000 : 3_600_000)
  const order = Array.from({ length: point.count }, (_, n) => n)
  const ids = await eachOf(order, n => begin(f, point.origin, subject, life(n), n))
  const mixed = point.lives.startsWith('short') && point.count > 1
  if (mixed) await f.clock.advance(f.clock.life + 500)
  if (mixed && point.cleared && f.store.clearExpired)
    for await (const _ of f.store.clearExpired(f.context()));
  const live = mixed ? ids.filter((_, n) => !short(n)) : ids

  const exceptions = {
    nobody: undefined,
    first: live[0],
    middle: live[Math.floor(live.length / 2)],
    last: live.at(-1),
    stranger: strangers[0],
    unknown: f.id(),
  }
  const except = exceptions[point.except]
  const expected = live.filter(id => id !== except)
  const context = { ...f.context(), ...(except !== undefined && { except }) }
  if (f.store.scanBySubject) {
    const seen = new Set<string>()
    for await (const { id } of f.store.scanBySubject(subject, f.context())) seen.add(id)
    equal(
      live.filter(id => !seen.has(id)).length,
      0,
      `the number of sessions that scanBySubject() missed (${name})`,
    )
    if (!exact) equal(seen.size, live.length, `the number of sessions that scanBySubject() gave (${name})`)
  }
  const removed = await f.store.removeBySubject?.(subject, context)
  const gone = async (id: string) => (await f.read(id)) === null
  const left = (await eachOf(expected, gone)).filter(isGone => !isGone).length
  equal(left, 0, `the number of sessions of ${show(point.name.subject)} that are still logged in (${name})`)
  if (exact)
    ok(
      Number(removed) >= expected.length,
      `removeBySubject() to count ${expected.length} (${name})`,
      show(removed),
    )
  else equal(removed, expected.length, `the answer of removeBySubject() (${name})`)
  for (const id of [...strangers, anonymous, ...(live.includes(except ?? '') ? [except ?? ''] : [])]) {
    ok(
      !(await gone(id)),
      `the sessions of others, and the one that stays, to stay (${name})`,
      'one was removed',
    )
  }
  if (exact) return
  equal(await f.store.removeBySubject?.(subject, context), 0, `the answer the second time (${name})`)
  const rest = live.length - expected.length
  equal(
    await f.store.removeBySubject?.(subject, f.context()),
    rest,
    `the answer without \`except\` after that (${name})`,
    CHECK_REMEDIES.except,
  )
}

const titles: Record<Exclude<keyof Everywhere, 'cleared'>, string> = {
  name: 'a subject with a name like',
  count: 'a subject with sessions,',
  lives: 'a subject whose sessions live',
  origin: 'a subject whose sessions came by',
  except: 'a subject of whose sessions there stays',
}

const space: readonly StoreCase[] = (['name', 'count', 'lives', 'origin', 'except'] as const).flatMap(
  dimension =>
    DIMENSIONS[dimension].map(({ name }) => ({
      id: `store/everywhere-${dimension}-${name}`,
      family: `everywhere-${dimension}`,
      title: `${titles[dimension]} "${name}" is logged out everywhere, and nobody else [A24]`,
      rule: 'removeBySubject removes every live record of the subject but `except`, none else, and answers how many.',
      source:
        'docs/design.md#store-subject, docs/requirements.md#a24; docs/conformance-space.md, the sessions of a subject',
      why: '"Log out everywhere" would leave a phone signed in, or log out somebody else.',
      skip: without('removeBySubject'),
      async run(f: StoreFixture) {
        for (const { point, name: chosen } of pointsThrough(DIMENSIONS, dimension, name, f.quick ? 1 : 6)) {
          const exact = EXACT.has(SUBJECTS.find(({ is }) => is === point.name)?.name ?? '')
          // Another suite may log out the same name on the same backend just now; it does not do so again and again.
          for (let attempt = exact ? 3 : 1; attempt > 0; attempt--) {
            try {
              await logOut(f, point, exact, chosen)
              break
            } catch (error) {
              if (attempt === 1) throw error
            }
          }
        }
      },
    })),
)

/** More than the arguments that a script of Redis can pass to one command. */
const THOUSANDS = 8_200

/** Some pages of the backend, or as many as a slow one removes in time one by one. */
async function manyOf(f: StoreFixture): Promise<number> {
  const wanted = f.quick ? 105 : Math.max(1_100, 2 * (f.pageSize ?? 0) + 1)
  return Math.max(27, Math.min(wanted, Math.floor(12_000 / Math.max(0.1, await f.pace()))))
}

const pages = (id: string, title: string, origin: Origin, keep: 'none' | 'middle'): StoreCase => ({
  id,
  family: 'pages',
  title,
  rule: 'Removes every session of a subject, again until none is left: whatever the backend gives in one page.',
  source: 'docs/design.md#store-subject, docs/requirements.md#a24; docs/conformance-space.md, numbers',
  why: '"Log out everywhere" would end the first hundred or thousand sessions, and leave the others.',
  skip: without('removeBySubject'),
  async run(f) {
    const count = await manyOf(f)
    const subject = `user-${f.id()}`
    const order = Array.from({ length: count }, (_, n) => n)
    const ids = await eachOf(order, n => begin(f, origin, subject, f.clock.now() + 3_600_000 + n, n), 50)
    const strangers = await eachOf(
      order.slice(0, 30),
      async n => (await f.stored({ subject: `other-${n}-${subject}` })).id,
    )
    if (f.store.scanBySubject) {
      const seen = new Set<string>()
      for await (const { id } of f.store.scanBySubject(subject, f.context())) seen.add(id)
      equal(seen.size, count, `the number of ${count} sessions that scanBySubject() gave`)
    }
    const except = keep === 'none' ? undefined : ids[Math.floor(count / 2)]
    const removed = await f.store.removeBySubject?.(subject, {
      ...f.context(),
      ...(except !== undefined && { except }),
    })
    const still = await eachOf(ids, async id => (await f.read(id)) !== null, 50)
    const left = ids.filter((id, n) => still[n] && id !== except).length
    equal(left, 0, `the number of ${count} sessions that are still logged in`)
    equal(removed, except === undefined ? count : count - 1, 'the answer of removeBySubject()')
    if (except !== undefined) await f.readLive(except, 'the session named by `except`')
    for (const id of strangers) await f.readLive(id, 'a session of another subject')
  },
})

export const everywhereCases: readonly StoreCase[] = [
  ...space,
  pages(
    'store/everywhere-pages',
    'removeBySubject ends more than a thousand sessions [A24]',
    'insert',
    'none',
  ),
  pages(
    'store/everywhere-pages-except',
    'removeBySubject ends more than a thousand sessions that were saved again, but for one in the middle [A24]',
    'saved-again',
    'middle',
  ),
  {
    id: 'store/everywhere-thousands',
    family: 'pages',
    title: 'removeBySubject ends more sessions than one command can name [A24]',
    rule: 'Removes every session of a subject, however many there are.',
    source:
      'docs/design.md#store-subject, docs/requirements.md#a24; unpack() in Lua takes 7,999 values; docs/conformance-space.md, numbers',
    why: '"Log out everywhere" would fail for good for the one account that a robot has logged in thousands of times.',
    skip: without('removeBySubject'),
    async run(f) {
      if (!f.quick && (await f.pace()) > 2)
        throw new DoesNotApply(`a call takes more than 2 ms, and ${THOUSANDS} sessions too long`)
      const count = f.quick ? 260 : THOUSANDS
      const subject = `robot-${f.id()}`
      const record = f.record({ subject })
      const ids = await eachOf(
        Array.from({ length: count }),
        async () => {
          const id = f.id()
          equal(await f.store.insert(id, record, f.context()), true, 'the answer of insert()')
          return id
        },
        100,
      )
      const removed = await f.store.removeBySubject?.(subject, f.context())
      const some = [0, 1, 999, 1_000, count >> 1, count - 2, count - 1].filter(n => n < count)
      for (const n of some) equal(await f.read(ids[n]!), null, `what is read of one of ${count} sessions`)
      equal(removed, count, 'the answer of removeBySubject()')
    },
  },
  {
    id: 'store/everywhere-after-months',
    title: 'sessions that live for months are logged out everywhere after months, however they came [A24]',
    rule: 'What the store keeps beside the records (an index, its expiry, a timer) lives as long as they do.',
    source: 'docs/design.md#store-subject, docs/requirements.md#a24; docs/conformance-space.md, time',
    why: 'A phone that stays signed in for three months would escape "log out everywhere" after the first.',
    skip: f =>
      without('removeBySubject')(f) ??
      (f.clock.exact ? undefined : 'the backend owns the clock, and nobody waits for months'),
    async run(f) {
      const DAY = 86_400_000
      for (const origin of ['insert', 'replace', 'touch', 'saved-again'] as const) {
        const subject = `user-${f.id()}`
        const ids = []
        for (const days of [90, 3, 90, 61]) {
          ids.push(await begin(f, origin, subject, f.clock.now() + days * DAY + 1, ids.length))
        }
        await f.clock.advance(62 * DAY)
        if (f.store.scanBySubject) {
          let listed = 0
          for await (const _ of f.store.scanBySubject(subject, f.context())) listed++
          equal(listed, 2, `the number of sessions that scanBySubject() gave after two months (by ${origin})`)
        }
        const removed = await f.store.removeBySubject?.(subject, f.context())
        for (const id of ids)
          equal(await f.read(id), null, `what is read after removeBySubject() (by ${origin})`)
        equal(removed, 2, `the answer of removeBySubject() after two months (by ${origin})`)
      }
    },
  },
  {
    id: 'store/scan-pages',
    family: 'pages',
    title: 'a scan gives more than a thousand records, also behind pages that hold none',
    rule: 'Every live record, each at least once if it lives throughout.',
    source: 'docs/design.md#store-scan; docs/conformance-space.md, numbers',
    why: '`sess list`, and what removes by it, would see the first page only.',
    skip: without('scan'),
    async run(f) {
      const count = await manyOf(f)
      const order = Array.from({ length: count }, (_, n) => n)
      const soon = f.clock.now() + f.clock.life + 3_000
      const insert = async (expiresAt: number) => {
        const id = f.id()
        equal(await f.store.insert(id, f.record({ expiresAt }), f.context()), true, 'the answer of insert()')
        return id
      }
      const first = await eachOf(order.slice(0, 20), () => insert(f.clock.now() + 3_600_000))
      // Where the backend owns the clock they take long to write, and nothing is lost if some of them live.
      if (f.clock.exact) await eachOf(order.slice(0, f.quick ? 105 : 350), () => insert(soon), 50)
      const rest = await eachOf(order, () => insert(f.clock.now() + 3_600_000), 50)
      if (f.clock.exact) await f.clock.advance(soon - f.clock.now())
      const seen = new Set<string>()
      for await (const { id } of f.store.scan?.(f.context()) ?? []) seen.add(id)
      const missed = [...first, ...rest].filter(id => !seen.has(id)).length
      equal(missed, 0, `the number of ${count + 20} records that the scan missed`)
    },
  },
  {
    id: 'store/clear-expired-pages',
    family: 'pages',
    title: 'clearExpired finds more than a thousand expired records, also behind as many live ones',
    rule: 'Removes expired records in batches, until there are none.',
    source: 'docs/design.md#store-clear-expired; docs/conformance-space.md, numbers',
    why: 'The table would grow for ever, because the clean-up looks at its first page only.',
    skip: without('clearExpired'),
    async run(f) {
      const count = await manyOf(f)
      const order = Array.from({ length: count }, (_, n) => n)
      const insert = async (expiresAt: number, part = {}) => {
        const id = f.id()
        equal(
          await f.store.insert(id, f.record({ expiresAt, ...part }), f.context()),
          true,
          'the answer of insert()',
        )
        return id
      }
      const subject = `user-${f.id()}`
      const live = await eachOf(
        order.slice(0, f.quick ? 105 : 600),
        () => insert(f.clock.now() + 3_600_000, { subject }),
        50,
      )
      const soon = f.clock.now() + f.clock.life + 3_000
      const old = await eachOf(order, n => insert(soon, n % 2 ? { subject } : {}), 50)
      await f.clock.advance(soon - f.clock.now())
      let removed = 0
      for await (const batch of f.store.clearExpired?.(f.context()) ?? []) removed += batch.removed
      ok(removed >= old.length, `clearExpired() to report ${old.length} records`, `it reported ${removed}`)
      for (const id of live.slice(0, 50)) await f.readLive(id, 'a live record')
      if (f.store.removeBySubject) {
        const answer = await f.store.removeBySubject(subject, f.context())
        equal(answer, live.length, 'the answer of removeBySubject() after the clean-up')
        const still = await eachOf(live, async id => (await f.read(id)) !== null, 50)
        equal(still.filter(Boolean).length, 0, 'the number of sessions that are still logged in')
      }
    },
  },
]
