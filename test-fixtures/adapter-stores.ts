import type { AdapterOptions, ProbeWays } from '@sess/conformance'
import type { describeAdapter } from '@sess/conformance/vitest'
import { afterAll, describe } from 'vitest'
import { seedOfToday } from '../packages/conformance/src/sample.ts'
import type { ProbeOptions, StartProbe } from './probe.ts'
import { openStore } from './probe-stores.ts'
import { requireServer, startRedis } from './servers/index.ts'

const STORES = ['sqlite', 'encrypted-cookie', 'redis']

/** A quick run takes one of them, another one each day and for each adapter. Mutants of an adapter are tried without any. */
function chosenStores(name: string): string[] {
  const { SESS_ADAPTER_STORES: wanted, SESS_CONFORMANCE_QUICK: quick } = process.env
  if (wanted !== undefined) return wanted.split(' ')
  return quick === '1' ? [STORES[seedOfToday(name) % STORES.length]!] : STORES
}

/**
 * Registers the adapter cases of a probe app: over a store in memory that cases may disturb, and over SQLite, encrypted
 * cookies and Redis, as far as a case need not disturb the store. A quick run takes one of the three.
 *
 * @param ways in which the app can be started, all of them unless given
 */
export async function describeOverStores(
  describeCases: typeof describeAdapter,
  name: string,
  start: StartProbe,
  ways: Exclude<keyof AdapterOptions, 'startTwoEngines'>[] = ['https', 'proxy', 'before', 'twice', 'under'],
): Promise<void> {
  const startInAWay = (options: ProbeOptions, way: ProbeWays) => start(options, 0, way)
  describeCases(name, options => start(options), {
    startTwoEngines: (outer, inner, way) => start(outer, 0, { inner, ...way }),
    ...Object.fromEntries(ways.map(way => [way, startInAWay])),
  })

  const stores = chosenStores(name)
  const over = async (storeName: string): Promise<void> => {
    if (!stores.includes(storeName)) return
    const { store, close } = await openStore(storeName)
    const probe = await start({ store })
    afterAll(async () => {
      await probe.stop()
      await close()
    })
    describeCases(`${name}, ${storeName}`, probe.url)
  }
  await over('sqlite')
  await over('encrypted-cookie')
  if (!stores.includes('redis')) return
  if (requireServer('redis')) {
    const server = await startRedis()
    // Registered first, so run last.
    afterAll(() => server.stop())
    process.env['REDIS_URL'] = server.url
    await over('redis')
  } else describe.skip('redis', () => undefined)
}
