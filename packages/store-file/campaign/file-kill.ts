// Kills writers of the file store with SIGKILL at random moments: `pnpm campaign file-kill [kills]`. 2,000 by default.
import { killLoop } from '../test/helpers/kill-loop.ts'

const start = Date.now()
const { kills, checked, lost, unreadable, leftOvers } = await killLoop(Number(process.argv[2] ?? 2_000))
console.log(`${kills} kills, ${checked} sessions looked at, ${Math.round((Date.now() - start) / 1000)} s`)
for (const [what, list] of Object.entries({ lost, unreadable, leftOvers })) {
  console.log(`${what}: ${list.length}`)
  for (const line of list.slice(0, 20)) console.log(`  ${line}`)
}
if (lost.length + unreadable.length + leftOvers.length > 0) process.exitCode = 1
