// Replaces an app on express-session and connect-redis by Sess while 10,000 visitors send parallel requests, and again with
// `keep` and the way back, and by @sess/express-session on the same store. Arguments: the number of visitors (10,000), and how many send requests at the same time (50).
import { requireServer, startRedis } from '@sess/test-fixtures/servers'
import { replaceUnderLoad } from '../test/under-load.ts'

const visitors = Number(process.argv[2] ?? 10_000)
const concurrency = Number(process.argv[3] ?? 50)
if (!requireServer('redis')) throw new Error('The campaign needs redis-server: apt-get install redis-server')

for (const way of [{}, { keep: true }, { facade: true }]) {
  await using server = await startRedis()
  const started = Date.now()
  const report = await replaceUnderLoad({ redisUrl: server.url, visitors, concurrency, ...way })
  console.log(JSON.stringify({ ...way, visitors, seconds: (Date.now() - started) / 1000, ...report }))
  if (report.problems.length > 0) process.exitCode = 1
}
