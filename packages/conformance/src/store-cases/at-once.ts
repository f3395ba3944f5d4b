import { equal, fail, ok } from '../check.ts'
import { textOf } from '../space/values.ts'
import { type StoreCase, type StoreFixture, without } from '../store-fixture.ts'
import { eachOf } from './everywhere.ts'
import { turn } from './meanwhile.ts'

/** Reads all the time until `work` is done, and hands each record to `check`. */
async function readUntil(
  f: StoreFixture,
  id: string,
  work: Promise<void>,
  check: (found: Awaited<ReturnType<StoreFixture['read']>>) => void,
): Promise<void> {
  let done = false
  const working = work.finally(() => {
    done = true
  })
  const readers = [f.store, f.other].map(async store => {
    while (!done) {
      check(await store.read(id, f.context()))
      // A store that answers from memory would let nobody else run.
      await turn()
    }
  })
  await Promise.all([working, ...readers])
}

const sizes = [
  { name: 'small', is: 40 },
  { name: 'big', is: 200_000 },
  { name: 'huge', is: 1_048_576 },
]

/** What one store object does for several callers at the same time, with the same record or all of them. */
export const atOnceCases: readonly StoreCase[] = [
  ...sizes.map(({ name, is }) => ({
    id: `store/read-while-replaced-${name}`,
    title: `who reads a ${name} record while it is replaced again and again gets a whole one, with the version of its payload`,
    rule: 'Each call is atomic on its own: payload and version are those of one and the same write.',
    source: 'docs/design.md#store-read, docs/design.md#store-version; docs/conformance-space.md, overlap',
    why: 'Old data with the new version would undo the last change at the next save; half a record would log its user out.',
    async run(f: StoreFixture) {
      const size = Math.min(is, f.maxBytes)
      const written = new Set<string>()
      const payload = (n: number) => {
        const text = textOf(`${n % 10} `, size - (n % 3), 0)
        written.add(text)
        return text
      }
      const payloadOf = new Map<string, string>()
      const { id } = await f.stored({ payload: payload(0) })
      const writing = async () => {
        for (let n = 1; n <= (f.quick ? 10 : is > 500_000 ? 20 : 40); n++) {
          const { version } = await f.readLive(id, 'the record')
          const record = f.record({ payload: payload(n) })
          equal(await f.store.replace(id, record, version, f.context()), 'ok', 'the answer of replace()')
          await f.jitter()
        }
      }
      await readUntil(f, id, writing(), found => {
        if (!found) fail('a record that is only replaced to be read', 'read() answered null')
        const known = payloadOf.get(found.version)
        ok(
          written.has(found.payload),
          'one of the payloads that were written',
          'what was read is none of them',
        )
        ok(
          known === undefined || known === found.payload,
          'each version to have one payload',
          'two different payloads were read with the same version',
        )
        payloadOf.set(found.version, found.payload)
      })
    },
  })),
  {
    id: 'store/scans-at-once',
    title: 'two scans at once over several pages each give every live record',
    rule: 'Every live record, each at least once if it lives throughout. A scan is nobody else’s.',
    source: 'docs/design.md#store-scan; docs/conformance-space.md, overlap',
    why: 'Two administrators who look at the same time would each see half of the sessions.',
    skip: without('scan'),
    async run(f) {
      const count = f.quick ? 60 : Math.min(3 * (f.pageSize ?? 100) - 50, 1_100)
      const ids = Array.from({ length: count }, () => f.id())
      await eachOf(ids, async id => await f.store.insert(id, f.record(), f.context()))
      const missed = async (onFirst?: () => void) => {
        const waiting = new Set(ids)
        let seen = 0
        for await (const { id } of f.store.scan?.(f.context()) ?? []) {
          waiting.delete(id)
          if (seen++ === 0) onFirst?.()
          // Slower than the other, so that they do not run in lockstep.
          if (onFirst && seen % 7 === 0) await turn()
        }
        return waiting.size
      }
      let second: Promise<number> | undefined
      const first = await missed(() => {
        second = missed()
      })
      equal([first, await second], [0, 0], 'the numbers of records that two scans missed')
    },
  },
]
