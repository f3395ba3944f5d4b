// `pnpm bench [--rounds 5] [--seconds 1] [--only REGEX] [--into FOLDER]`: what sessions cost, ours and others'. A
// report, not a test: no number makes it fail. `--only` is of `framework/contestant/scenario`, such as '^Express/.*/read$'.
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { requireServer, startRedis } from '@sess/test-fixtures/servers'
import { chart } from './chart.ts'
import { BARE, contestants, FRAMEWORKS } from './contestants.ts'
import { measureHeap } from './heap.ts'
import { LOADER, pinned } from './load.ts'
import { countLostUpdates } from './lost-updates.ts'
import { measure, scenarios } from './measure.ts'
import { countCommands } from './redis-traffic.ts'
import { markdown, summary } from './report.ts'
import type { Results } from './results.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    into: { type: 'string', default: join(import.meta.dirname, 'results') },
  },
})
const only = new RegExp(values.only)
const say = (line: string): void => console.log(line)

const redis = requireServer('redis') ? await startRedis() : undefined
try {
  if (redis) keepOnSecondCore(redis.pid)
  const env: Record<string, string> = redis ? { REDIS_URL: redis.url } : {}
  const present = contestants.filter(({ storage }) => redis || storage !== 'redis')
  const chosen = present.filter(
    ({ framework, name }) =>
      name !== BARE && scenarios.some(scenario => only.test(`${framework}/${name}/${scenario.name}`)),
  )

  const results: Results = {
    machine: {
      at: new Date().toISOString(),
      node: process.versions.node,
      cpu: cpus()[0]?.model ?? 'unknown processor',
      cores: availableParallelism(),
      load: [loadavg()[0]!, 0],
      loader: LOADER,
      rounds: Number(values.rounds),
      seconds: Number(values.seconds),
    },
    cells: [],
    lost: [],
    redis: [],
    heap: [],
  }
  const { rounds, seconds } = results.machine
  for (const framework of FRAMEWORKS) {
    const here = present.filter(each => each.framework === framework)
    results.cells.push(...(await measure(here, { rounds, seconds, only, env, onProgress: say })))
  }
  say('lost updates, Redis commands, heap')
  for (const contestant of chosen) {
    results.lost.push(await countLostUpdates(contestant, env))
    if (redis && contestant.storage === 'redis') {
      results.redis.push(...(await countCommands(contestant, redis.url)))
    }
  }
  results.heap = await measureHeap()
  results.machine.load[1] = loadavg()[0]!

  mkdirSync(values.into, { recursive: true })
  writeFileSync(join(values.into, 'README.md'), markdown(results))
  writeFileSync(join(values.into, 'session-cost.svg'), chart(results))
  writeFileSync(join(values.into, 'results.json'), `${JSON.stringify(results)}\n`)
  say(summary(results))
  say(`written to ${values.into}`)
} finally {
  await redis?.stop()
}

function keepOnSecondCore(pid: number): void {
  const [command] = pinned(1, 'true', [])
  if (command === 'taskset')
    execFileSync('taskset', ['-a', '-c', '-p', '1', String(pid)], { stdio: 'ignore' })
}
