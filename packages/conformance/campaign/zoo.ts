// Runs every case on every broken store and adapter of the zoo, which takes minutes: `pnpm campaign zoo
// [stores|cookie-stores|adapters]`.
// With `--write` it writes down, in test/zoo/rejections.json, which cases reject which: the tests run these and no others.
// Then `pnpm format`.
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { adapterZoo, cookieStoreZoo, sideBySide, storeZoo, type Zoo } from '../test/zoo/sweep.ts'

const { values, positionals } = parseArgs({ allowPositionals: true, options: { write: { type: 'boolean' } } })
const ZOOS: Record<string, Zoo> = {
  stores: storeZoo,
  'cookie-stores': cookieStoreZoo,
  adapters: adapterZoo,
}
const file = new URL('../test/zoo/rejections.json', import.meta.url)
const rejections: Record<string, Record<string, string[]>> = JSON.parse(readFileSync(file, 'utf8'))

// Broken stores make errors that nobody catches. Here a case that fails is the only thing that counts.
process.on('unhandledRejection', () => undefined)
process.on('uncaughtException', () => undefined)

for (const name of positionals.length > 0 ? positionals : Object.keys(ZOOS)) {
  const zoo = ZOOS[name]
  if (!zoo) throw new Error(`There is no zoo "${name}": choose from ${Object.keys(ZOOS).join(', ')}.`)
  const failures = await sweep(zoo)
  const idle = zoo.cases.filter(id => !failures.some(failure => failure.by === id))
  const accepted = zoo.broken.filter(({ id }) => !failures.some(failure => failure.broken === id))
  console.log(
    `${name}: ${zoo.broken.length - accepted.length} of ${zoo.broken.length} rejected by ${zoo.cases.length} cases`,
  )
  for (const { id } of accepted) console.log(`  no case rejects ${id}`)
  for (const id of idle) console.log(`  ${id} rejects nothing`)
  if (accepted.length + idle.length > 0) process.exitCode = 1
  else if (values.write) rejections[name] = cover(zoo, failures)
}
if (values.write) writeFileSync(file, `${JSON.stringify(rejections, null, 2)}\n`)
// Broken adapters leave connections open.
process.exit()

interface Failure {
  broken: string
  by: string
  took: number
}

async function sweep({ broken, cases, prove }: Zoo): Promise<Failure[]> {
  const failures: Failure[] = []
  await sideBySide(broken, 10, async each => {
    for (const { id, status } of await prove(each, cases)) {
      if (status !== 'failed') continue
      // Again, alone and twice: some fail because of what an earlier case has left behind, or because the machine was busy.
      const [alone] = await prove(each, [id])
      const [again] = alone?.status === 'failed' ? await prove(each, [id]) : []
      if (alone && again?.status === 'failed') failures.push({ broken: each.id, by: id, took: alone.took })
    }
  })
  return failures
}

/** Some cases for each broken one, so that every case rejects one of them: the failures that are seen soonest. */
function cover({ broken, cases }: Zoo, failures: Failure[]): Record<string, string[]> {
  const soonest = failures.toSorted((a, b) => a.took - b.took)
  const chosen = broken.map(({ id }) => soonest.find(failure => failure.broken === id))
  for (const id of cases) {
    if (!chosen.some(failure => failure?.by === id)) chosen.push(soonest.find(failure => failure.by === id))
  }
  const result: Record<string, string[]> = {}
  for (const { id } of broken) {
    result[id] = chosen.flatMap(failure => (failure?.broken === id ? [failure.by] : [])).sort()
  }
  return result
}
