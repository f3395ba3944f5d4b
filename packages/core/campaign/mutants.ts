// Breaks core in every small way that Stryker knows and counts the ones that no test notices: `pnpm campaign mutants
// [file[:function,...] ...]`, with functions for a quick look at these, by the tests of their file alone. A run that was
// stopped continues with the files that it printed last. Fails where less than 85 % of the mutants are killed, or one
// survives that `test/mutants/survivors.json` does not explain.
import { useTemporaryFolder } from '../../../scripts/temporary-folder.ts'
import { compare, FILES, type File, hunt, listed, type Result } from '../test/mutants/hunt.ts'

const LEAST = 85
const targets = process.argv.length > 2 ? process.argv.slice(2) : [...FILES]
const started = performance.now()
const seconds = (): string => `${((performance.now() - started) / 1000).toFixed(0)} s`
const results: Result[] = []
process.on('exit', useTemporaryFolder())
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

for (const [index, target] of targets.entries()) {
  const [file, names] = target.split(':') as [File, string | undefined]
  if (!FILES.includes(file)) throw new Error(`There is no ${file}: it is one of ${FILES.join(', ')}.`)
  const result = await hunt(file, names?.split(','))
  results.push(result)
  const { explained, unknown, stale } = compare(
    result.survivors,
    listed().filter(one => one.file === file),
  )
  for (const { was, is } of unknown)
    console.log(`SURVIVED in ${file}, and not in the list:\n- ${was}\n+ ${is}`)
  if (names === undefined) {
    for (const { was, is } of stale)
      console.log(`In the list, but no survivor in ${file}:\n- ${was}\n+ ${is}`)
  }
  const kinds = Map.groupBy(explained, ({ kind }) => kind)
  const counts = [...kinds].map(([kind, { length }]) => `${length} ${kind}`).join(', ')
  console.log(
    `${target}: ${rate([result])}; survivors: ${counts || 'none'}, ${unknown.length} not in the list`,
  )
  if (unknown.length > 0 || percent([result]) < LEAST) process.exitCode = 1
  const rest = targets.slice(index + 1)
  if (rest.length > 0) console.log(`${seconds()}; to go on: pnpm campaign mutants ${rest.join(' ')}`)
}
console.log(`all: ${rate(results)}; ${seconds()}`)

function sum(of: Result[], part: 'mutants' | 'killed' | 'timedOut'): number {
  return of.reduce((total, result) => total + result[part], 0)
}

function percent(of: Result[]): number {
  return (sum(of, 'killed') / sum(of, 'mutants')) * 100
}

function rate(of: Result[]): string {
  return `${sum(of, 'killed')} of ${sum(of, 'mutants')} killed (${percent(of).toFixed(1)} %), ${sum(of, 'timedOut')} by time`
}
