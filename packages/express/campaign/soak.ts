// A mixed load on Express with SQLite, with Redis and without sessions: `pnpm campaign soak [seconds]`, ten minutes by
// default. Ends with 1 on an error, a lost change, or a heap that grew more than 5 MB beyond the control's.
import { growth, soak } from '../test/soak/soak.ts'

const seconds = Number(process.argv[2] ?? 600)
const MAX_GROWTH = 5e6
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

const seed = Number(process.env['SESS_SOAK_SEED'] ?? Date.now() % 1e6)
console.log(`${seconds} s of mixed load on each of three servers, SESS_SOAK_SEED=${seed} …`)
const results = await soak({ seconds, seed })
const control = growth(results.find(({ name }) => name === 'none')!.samples, 'heap')

for (const { name, requests, errors, wrong, interrupted, overtaken, samples } of results) {
  const last = samples.at(-1)
  const heap = growth(samples, 'heap')
  console.log(`
${name === 'none' ? 'without sessions (control)' : name}
  requests            ${requests}, ${Math.round(requests / seconds)} a second
  errors              ${errors.length}, ${last?.unhandled ?? 0} of them unhandled; lost changes ${wrong.length}
  interrupted (400)   ${interrupted}
  overtaken cookies   ${overtaken}
  heap                ${megabytes(last?.heap ?? 0)}, grew by ${megabytes(heap)}
  RSS                 ${megabytes(last?.rss ?? 0)}, grew by ${megabytes(growth(samples, 'rss'))}
  event-loop delay    ${median(samples.map(({ delay }) => delay)).toFixed(1)} ms (median of the 99th percentiles), ${Math.max(...samples.map(({ worstDelay }) => worstDelay)).toFixed(1)} ms at the worst`)
  for (const line of [...errors, ...wrong].slice(0, 10)) console.log(`    ${line}`)
  const isBad = errors.length > 0 || wrong.length > 0 || (last?.unhandled ?? 0) > 0
  if (isBad || heap - control > MAX_GROWTH) process.exitCode = 1
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
