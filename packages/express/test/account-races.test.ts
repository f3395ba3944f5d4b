import { requireServer } from '@sess/test-fixtures/servers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openPair, type Pair, RACES } from './account-races.ts'

describe.each(['sqlite', 'postgres', 'redis'] as const)(
  'races of the sessions of one user, over %s',
  backend => {
    describe.skipIf(backend !== 'sqlite' && !requireServer(backend))('through two connections', () => {
      let pair: Pair
      beforeAll(async () => {
        pair = await openPair(backend)
      }, 60_000)
      afterAll(() => pair[Symbol.asyncDispose]())

      it.each(Object.keys(RACES))(
        '%s (the long form: pnpm campaign accounts) [A24, A37]',
        async name => {
          expect(await RACES[name]!(pair.stores, 8)).toEqual([])
        },
        60_000,
      )
    })
  },
)
