/**
 * Moves sessions from SQLite to PostgreSQL, Redis, files and back, while two sites are used, and kills the command at random points.
 *
 *   pnpm campaign move [--rounds 3] [--browsers 20] [--idle 500] [--seconds 10] [--kills 8]
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { command, inherited } from '../test/command.ts'
import { moveLeg } from '../test/leg.ts'
import { openPlaces } from '../test/places.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    browsers: { type: 'string', default: '20' },
    idle: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '10' },
    kills: { type: 'string', default: '8' },
  },
})
const folder = mkdtempSync(join(tmpdir(), 'sess-move-'))
const { places, close } = await openPlaces(folder, ['sqlite', 'postgres', 'redis', 'file', 'sqlite'])
try {
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const newSite of ['moving', 'plain'] as const) {
      // From the last store back to the first in every second way.
      const way = newSite === 'moving' ? places : [...places].reverse()
      for (const [at, from] of way.slice(0, -1).entries()) {
        const to = way[at + 1]!
        const { requests, logouts, kills } = await moveLeg({
          from,
          to,
          newSite,
          browsers: Number(values.browsers),
          idle: Number(values.idle),
          ms: Number(values.seconds) * 1_000,
          kills: Number(values.kills),
          random: Math.random,
          run,
        })
        console.log(
          `round ${round}, ${newSite.padEnd(6)} ${from.name} to ${to.name}: ${requests} requests, ${logouts} logouts, ${kills} kills; nothing lost`,
        )
      }
    }
  }
} finally {
  await close()
  rmSync(folder, { recursive: true })
}

async function run(args: readonly string[], env: Record<string, string>): Promise<void> {
  const child = spawn(process.execPath, [command, ...args], {
    env: { ...inherited, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`sess ${args.join(' ')} ended with ${code}.`)
}
