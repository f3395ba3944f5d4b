import { startRedis } from '@sess/test-fixtures/servers'
import { afterAll } from 'vitest'
import { redisStore } from '../../../store-redis/src/index.ts'
import { standaloneClients } from '../../../store-redis/test/clients.ts'
import { describeStore } from '../../src/vitest.ts'

const server = await startRedis({ durable: true })
const { open } = standaloneClients.find(({ name }) => name === 'redis')!
const [one, two] = [await open(server), await open(server)]
afterAll(async () => {
  for (const { close } of [one, two]) close()
  await server.stop()
})

describeStore(
  'redisStore',
  () => ({
    store: redisStore(one.client),
    second: redisStore(two.client),
    breakBackend: () => server.kill('SIGKILL'),
    healBackend: () => server.restart(),
  }),
  { callTimeout: 1_000 },
)
