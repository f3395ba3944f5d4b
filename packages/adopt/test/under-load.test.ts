import { requireServer, startRedis } from '@sess/test-fixtures/servers'
import { describe, expect, it } from 'vitest'
import { replaceUnderLoad } from './under-load.ts'

// The short form of `pnpm campaign adopt`, which has 10,000 sessions.
describe.skipIf(!requireServer('redis'))('an app on express-session and connect-redis', () => {
  it('is replaced while 200 visitors send parallel requests: nobody is logged out, nothing is lost', async () => {
    await using server = await startRedis()
    const report = await replaceUnderLoad({ redisUrl: server.url, visitors: 200, concurrency: 20 })
    expect(report.problems).toEqual([])
    expect(report).toMatchObject({ sessions: 196, oldRecords: 0 })
    expect(report.requests.old).toBeGreaterThan(400)
    expect(report.requests.new).toBeGreaterThan(1000)
  }, 120_000)

  it('is replaced by @sess/express-session on its own store, and takes over again', async () => {
    await using server = await startRedis()
    const report = await replaceUnderLoad({
      redisUrl: server.url,
      visitors: 50,
      concurrency: 10,
      facade: true,
    })
    expect(report.problems).toEqual([])
    expect(report).toMatchObject({ sessions: 0, oldRecords: 49, loggedInAfterRollback: 49 })
  }, 120_000)

  it('takes over again with `keep`, and everybody is still logged in', async () => {
    await using server = await startRedis()
    const report = await replaceUnderLoad({
      redisUrl: server.url,
      visitors: 50,
      concurrency: 20,
      keep: true,
    })
    expect(report.problems).toEqual([])
    expect(report).toMatchObject({ sessions: 49, oldRecords: 49, loggedInAfterRollback: 49 })
  }, 120_000)
})
