// The conformance cases open this store in a second process.
import { createClient } from 'redis'
import { redisStore } from '../../src/index.ts'

export default async function open(url: string) {
  const client = createClient({ url })
  await client.connect()
  return redisStore(client)
}
