// The conformance cases open this store in a second process.
import { cachedStore } from '../src/index.ts'
import { openPostgres, openRedis } from './backends.ts'

export default async function open(urls: { redis: string; postgres: string }) {
  const [fast, durable] = [await openRedis(urls.redis), await openPostgres(urls.postgres)]
  return cachedStore({ fast: fast.store(), durable: durable.store() })
}
