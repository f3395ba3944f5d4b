import { begun, equal, fail, oneOf, outcome } from '../check.ts'
import { facts, type StoreCase, type StoreFixture, without } from '../store-fixture.ts'
import { eachOf } from './everywhere.ts'

/** Text that neither compresses nor repeats, so that the backend has work with it. Made once: that takes a while. */
let noise = ''
function noiseOf(bytes: number): string {
  while (noise.length < bytes) {
    // 65,536 is the most that getRandomValues gives.
    const some = globalThis.crypto.getRandomValues(new Uint8Array(49_152))
    noise += btoa(String.fromCharCode(...some))
  }
  return noise.slice(0, bytes)
}

const WRITES = ['replace', 'touch', 'remove', 'remove-by-subject'] as const

const joinedReads: readonly StoreCase[] = WRITES.map(name => ({
  id: `store/fresh-while-read-${name}`,
  family: 'fresh-while-read',
  title: `a read that begins after ${name} has answered finds that, though a read of the big record before still goes on`,
  rule: 'Once a write is answered, every read that begins then finds it. It does not get the result of a read from before.',
  source:
    'docs/design.md#store-read, docs/requirements.md#i2, docs/requirements.md#c1; docs/conformance-space.md, order of calls',
  why: 'A page that is opened after a confirmed logout would still be signed in, because another page was loading.',
  ...(name === 'remove-by-subject' && { skip: without('removeBySubject') }),
  async run(f: StoreFixture) {
    const payload = noiseOf(f.maxBytes)
    const context = f.context()
    for (let round = 0; round < (f.quick ? 3 : 6); round++) {
      const subject = `user-${f.id()}`
      const { id, version } = await f.stored({ subject, payload: payload.slice(round) })
      const record = f.record({ subject, expiresAt: f.clock.now() + 5_000_000 + round })
      const look = (store = f.store) => begun(async () => await store.read(id, context))
      // A small write overtakes them: the first is sent before it, the second beside it.
      const older = [look()]
      if (round % 2) await f.jitter()
      const writing = begun(async () => {
        if (name === 'replace')
          equal(await f.other.replace(id, record, version, context), 'ok', 'the answer of replace()')
        else if (name === 'touch')
          equal(await f.other.touch(id, record.expiresAt, version, context), true, 'the answer of touch()')
        else if (name === 'remove')
          equal(await f.other.remove(id, undefined, context), 'ok', 'the answer of remove()')
        else equal(await f.other.removeBySubject?.(subject, context), 1, 'the answer of removeBySubject()')
      })
      older.push(look(), look(f.other))
      await writing
      const found = await Promise.all([look(), look(f.other)])
      await Promise.all(older)
      for (const [n, each] of found.entries()) {
        const who = n === 0 ? 'the store whose read was under way' : 'the store that has written'
        if (name.startsWith('remove')) equal(each === null, true, `whether ${who} reads null after ${name}`)
        else equal(each?.expiresAt, record.expiresAt, `the expiry that ${who} reads after ${name}`)
        if (name === 'replace') equal(facts(each), record, `what ${who} reads after ${name}`)
      }
    }
  },
}))

export const bigRecordCases: readonly StoreCase[] = [
  ...joinedReads,
  {
    id: 'store/replace-race-biggest',
    title: 'of two saves of the biggest record at one version one wins, and all of its payload is stored',
    rule: 'Each call is atomic on its own: a save that loses has written nothing, however many parts a payload has.',
    source: 'docs/design.md#store-contract, docs/design.md#store-replace; docs/conformance-space.md, overlap',
    why: 'The session would be half of one tab’s and half of another’s, and could not be read any more.',
    async run(f) {
      const text = noiseOf(f.maxBytes + 64)
      for (let round = 0; round < (f.quick ? 4 : 12); round++) {
        const { id, version } = await f.stored({ payload: text.slice(0, f.maxBytes) })
        const payloads = [1, 2, 3].map(n => text.slice(16 * n, 16 * n + f.maxBytes - n))
        const answers = await Promise.all(
          payloads.map((payload, n) =>
            outcome(async () => {
              if (n > 0 && round % 3) await f.jitter()
              const store = n % 2 ? f.other : f.store
              return await store.replace(id, f.record({ payload }), version, f.context())
            }),
          ),
        )
        for (const { error } of answers) if (error !== undefined) throw error
        const won = answers.flatMap(({ value }, n) => (value === 'ok' ? [n] : []))
        equal(won.length, 1, 'how many of three saves at one version succeeded')
        for (const store of [f.store, f.other]) {
          const found = await store.read(id, f.context())
          const [winner = 0] = won
          if (found?.payload !== payloads[winner])
            fail('the payload of the save that succeeded to be read, whole', 'it was another text')
        }
      }
    },
  },
  {
    id: 'store/remove-by-subject-races-big-replace',
    // Beside other cases the saves take so long that the removal always comes before them.
    alone: true,
    title: 'saves of big sessions, which take long in the backend, do not escape removeBySubject [A24]',
    rule: 'Again until none is left: a record that somebody else is writing, and holds a lock on, is removed as well.',
    source:
      'docs/design.md#store-subject, docs/requirements.md#a24, docs/requirements.md#f17; docs/conformance-space.md, overlap',
    why: 'A phone that saves at the moment of "log out everywhere" would stay signed in.',
    skip: without('removeBySubject'),
    async run(f) {
      const text = noiseOf(Math.min(200_000, f.maxBytes))
      const now = f.clock.now()
      const rounds = f.quick ? 6 : 24
      for (let round = 0; round < rounds; round++) {
        const subject = `user-${f.id()}`
        const sessions = await eachOf([1, 2, 3, 4, 5], () => f.stored({ subject }))
        const saves = sessions.map(({ id, version }, n) =>
          begun(async () => {
            const payload = text.slice(n, text.length - Math.floor((n * text.length) / 10))
            const record = { payload, subject, expiresAt: now + 3_600_000 + n }
            return await (n % 2 ? f.store : f.other).replace(id, record, version, f.context())
          }),
        )
        // At another moment of the saves in every round.
        if (round % 6 > 0) await new Promise(resolve => setTimeout(resolve, round % 6))
        const removing = (async () => await f.store.removeBySubject?.(subject, f.context()))()
        const [answers, removed] = await Promise.all([Promise.all(saves), removing])
        for (const answer of answers) oneOf(answer, ['ok', 'gone'], 'the answer of replace()')
        const found = await Promise.all(
          sessions.flatMap(({ id }) =>
            [f.store, f.other].map(async store => await store.read(id, f.context())),
          ),
        )
        equal(
          found.filter(Boolean).length,
          0,
          'the number of sessions that live when their saves and removeBySubject() have answered',
        )
        equal(removed, sessions.length, 'the answer of removeBySubject()')
      }
    },
  },
]
