// Runs publint and "are the types wrong?" over the tarball of every package.
import { packAll } from './pack.ts'
import { inParallel, run } from './run.ts'

const CHECKS = [
  ['publint', '--strict', '--level', 'suggestion'],
  ['attw', '--profile', 'node16', '--no-definitely-typed', '--no-color', '--no-emoji', '--format', 'ascii'],
]

const packages = await packAll()
const checks = packages.flatMap(({ name, tarball }) =>
  CHECKS.map(([tool, ...args]) => ({ name, tool, args, tarball })),
)
const results = await inParallel(checks, 2, async ({ name, tool, args, tarball }) => {
  const { code, output } = await run(tool!, [tarball, ...args])
  if (code !== 0) console.log(`${tool} ${name}:\n${output}`)
  return code
})
const problems = results.filter(code => code !== 0).length
console.log(`publint and attw: ${packages.length} packages, ${problems} with problems`)
process.exitCode = problems === 0 ? 0 : 1
