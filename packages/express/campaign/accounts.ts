// Races of the sessions of one user over two connections: `pnpm campaign accounts [loops] [backend …]`, 10,000 of each by
// default, over SQLite, PostgreSQL and Redis.
import { openPair, RACES } from '../test/account-races.ts'

const [loops = '10000', ...backends] = process.argv.slice(2)
const all = ['sqlite', 'postgres', 'redis'] as const
const wanted = all.filter(name => backends.length === 0 || backends.includes(name))
if (!(Number(loops) > 0) || wanted.length < backends.length)
  throw new Error(`pnpm campaign accounts [loops] [${all.join('|')} …]`)

for (const backend of wanted) {
  await using pair = await openPair(backend)
  for (const [name, race] of Object.entries(RACES)) {
    const started = performance.now()
    const wrong = await race(pair.stores, Number(loops))
    const seconds = ((performance.now() - started) / 1000).toFixed(0)
    console.log(`${backend}: ${name}: ${loops} loops in ${seconds} s, ${wrong.length} wrong`)
    for (const what of new Set(wrong)) console.log(`  ${what}`)
    if (wrong.length > 0) process.exitCode = 1
  }
}
