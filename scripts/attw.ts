// Asks "are the types wrong?" of every tarball, for node16 in both of its module kinds and for bundlers.
import { join } from 'node:path'
import { packAll } from './pack.ts'
import { inParallel, run } from './run.ts'
import { root } from './workspace.ts'

const packages = await packAll()
const problems = await inParallel(packages, 2, async ({ name, tarball }) => {
  const attw = join(root, 'node_modules/.bin/attw')
  const { code, output } = await run(attw, [
    tarball,
    '--profile',
    'node16',
    '--no-definitely-typed',
    '--no-color',
    '--no-emoji',
    '--format',
    'ascii',
  ])
  if (code !== 0) console.log(`${name}:\n${output}`)
  return code === 0 ? 0 : 1
})
const total = problems.reduce<number>((sum, problem) => sum + problem, 0)
console.log(`attw: ${packages.length} packages, ${total} with problems`)
process.exitCode = total === 0 ? 0 : 1
