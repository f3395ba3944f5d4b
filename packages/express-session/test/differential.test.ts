import { describe, expect, it } from 'vitest'
import { contract } from './scenarios/contract.ts'
import { cookieClass, cookies } from './scenarios/cookies.ts'
import { saving, stores } from './scenarios/options.ts'
import { requests } from './scenarios/requests.ts'
import { responses } from './scenarios/responses.ts'
import { methods, properties } from './scenarios/session.ts'
import { type Library, original, ours, World } from './world.ts'

// Every scenario is played with express-session, then with the facade. Status, body, cookies, store calls and errors are the same.

async function play(lib: Library, scenario: (world: World) => unknown): Promise<unknown[]> {
  const world = new World(lib)
  try {
    await scenario(world)
    return world.log
  } finally {
    await world.close()
  }
}

/** The facade looks at a stored session before it replaces it. That `get` is one of the differences that its README lists. */
function withoutLooks(log: unknown[]): unknown[] {
  const known = new Set<unknown>()
  return log.filter((entry, index) => {
    const [method, id] = Array.isArray(entry) ? entry : []
    const [nextMethod, nextId] = Array.isArray(log[index + 1]) ? (log[index + 1] as unknown[]) : []
    const isLook = method === 'get' && nextMethod === 'set' && nextId === id && known.has(id)
    if (method === 'get' || method === 'set') known.add(id)
    return !isLook
  })
}

const groups = { contract, requests, properties, methods, cookies, cookieClass, saving, stores, responses }

for (const [group, scenarios] of Object.entries(groups)) {
  describe(group, () => {
    for (const [name, scenario] of Object.entries(scenarios)) {
      it(name, async () => {
        const expected = await play(original, scenario)
        expect(expected).not.toEqual([])
        expect(withoutLooks(await play(ours, scenario))).toEqual(expected)
      })
    }
  })
}
