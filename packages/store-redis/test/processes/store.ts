// A store of a second process, for the conformance cases: `argument` is the URL.
import { createClient } from 'redis'
import { redisStore } from '../../src/index.ts'

export default async function open(url: string) {
  const client = createClient({ url })
  await client.connect()
  return redisStore(client)
}
