import { describe, expect, test } from 'vitest'
import { adapterCases } from '../src/adapter-cases/index.ts'
import { runAdapterCases } from '../src/runner.ts'
import { ReferenceAdapter } from './reference-probe.ts'
import { referenceWays, startReference } from './reference-server.ts'
import { adaptersInAWay, OF_WAYS } from './zoo/adapters-in-a-way.ts'
import { oddRequestAdapters } from './zoo/odd-requests.ts'
import { offRouteAdapters } from './zoo/off-route-adapters.ts'
import { plausibleAdapters } from './zoo/plausible-adapters.ts'
import { rawAdapters } from './zoo/raw-adapters.ts'
import { strangersAdapters } from './zoo/strangers-adapters.ts'

const proved = (by: string, Adapter: typeof ReferenceAdapter, timeout = 10_000) =>
  runAdapterCases(options => startReference(options, Adapter), {
    ...referenceWays(Adapter),
    timeout,
    filter: new RegExp(`^${by} `),
  })

describe.each([
  ['adapters of people who know Hono or Fastify well', strangersAdapters],
  [
    'adapters that go wrong over TLS, behind a proxy, among middleware or where they are mounted twice',
    adaptersInAWay,
  ],
  ['adapters that go wrong where a response is no page of a route', offRouteAdapters],
  ['adapters that take something of a request for granted', oddRequestAdapters],
  ['adapters whose mistake looks like a good idea', plausibleAdapters],
  ['adapters that go wrong where a handler writes the response of node:http itself', rawAdapters],
])('%s', (_, zoo) => {
  test.concurrent.each(zoo.map(({ id, by, Adapter }) => [id, by, Adapter] as const))(
    '%s: rejected by %s',
    async (_, by, Adapter) => {
      const report = await proved(by, Adapter, 3_000)
      expect(report.results.map(({ id, status }) => [id, status])).toEqual([[by, 'failed']])
    },
  )

  test.concurrent.each([...new Set(zoo.map(({ by }) => by))])('%s passes the right adapter', async by => {
    expect(await proved(by, ReferenceAdapter)).toMatchObject({ passed: 1, failed: 0 })
  })
})

test('every case that needs the app started in a way of its own rejects one', () => {
  const cases = adapterCases.map(({ id }) => id).filter(id => OF_WAYS.test(id))
  expect(new Set(adaptersInAWay.map(({ by }) => by))).toEqual(new Set(cases))
})
