import { describeAdapter } from '@sess/conformance/vitest'
import { openStore } from '@sess/test-fixtures/probe-stores.ts'
import { requireServer, startRedis } from '@sess/test-fixtures/servers'
import { afterAll, describe } from 'vitest'
import { start } from './probe.ts'

describeAdapter('@sess/koa', start, {
  startTwoEngines: (outer, inner) => start(outer, 0, inner),
})

/** The same over a real store, as far as a case need not disturb the store. */
async function over(name: string): Promise<void> {
  const { store, close } = await openStore(name)
  const probe = await start({ store })
  afterAll(async () => {
    await probe.stop()
    await close()
  })
  describeAdapter(`@sess/koa, ${name}`, probe.url)
}

await over('sqlite')
await over('encrypted-cookie')

if (requireServer('redis')) {
  const server = await startRedis()
  // Registered first, so run last.
  afterAll(() => server.stop())
  process.env['REDIS_URL'] = server.url
  await over('redis')
} else describe.skip('redis', () => undefined)
