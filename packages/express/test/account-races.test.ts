import { requireServer } from '@sess/test-fixtures/servers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Backend, openPair, type Pair, RACES } from './account-races.ts'

const BACKENDS: Backend[] = ['sqlite', 'postgres', 'redis']
const isHere = (backend: Backend): boolean => backend === 'sqlite' || requireServer(backend)
const pairs = new Map<Backend, Pair>()

beforeAll(async () => {
  // The servers start side by side.
  await Promise.all(BACKENDS.filter(isHere).map(async each => pairs.set(each, await openPair(each))))
}, 60_000)
afterAll(() => Promise.all([...pairs.values()].map(pair => pair[Symbol.asyncDispose]())))

describe.each(BACKENDS)('races of the sessions of one user, through two connections to %s', backend => {
  // Four loops, because a race has up to four variants, which take turns.
  it.skipIf(!isHere(backend)).each(Object.keys(RACES))(
    '%s (the long form: pnpm campaign accounts) [A24, A37]',
    async name => {
      expect(await RACES[name]!(pairs.get(backend)!.stores, 4)).toEqual([])
    },
    60_000,
  )
})
