import { requireServer } from '@sess/test-fixtures/servers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { moveLeg, type Place } from './leg.ts'
import { openPlaces } from './places.ts'
import { sess, temporaryFolder } from './run.ts'

const servers = requireServer('postgres') && requireServer('redis')
const folder = temporaryFolder()

describe.skipIf(!servers)('sess move, with both sites in use, and the command killed', () => {
  let places: Place[]
  let close: () => Promise<void>
  beforeAll(async () => {
    ;({ places, close } = await openPlaces(folder, ['sqlite', 'postgres', 'redis', 'file', 'sqlite']))
  })
  afterAll(() => close?.())

  test.each([
    ['SQLite', 'PostgreSQL', 'moving', 0],
    ['PostgreSQL', 'Redis', 'plain', 1],
    ['Redis', 'files', 'moving', 2],
    ['files', 'SQLite', 'plain', 3],
  ] as const)('%s to %s (%s): nobody is logged out, and nobody comes back', async (_, __, newSite, at) => {
    const [from, to] = [places[at]!, places[at + 1]!]
    const { requests, kills } = await moveLeg({
      from,
      to,
      newSite,
      browsers: 6,
      idle: 10,
      ms: 800,
      kills: 1,
      random: Math.random,
      async run(args, env) {
        expect(await sess(args, { env })).toEqual({ code: 0, out: '', err: '' })
      },
    })
    expect(requests).toBeGreaterThanOrEqual(30)
    expect(kills).toBeGreaterThan(0)
  })
})
