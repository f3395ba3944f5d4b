// Runs the whole suite on a right store whose every call takes so many milliseconds, 5 unless given, first one case after the
// other and then 16 at a time: `pnpm campaign slow-store [ms] [cases at a time] ...`. Fails where a case fails, and where a call of
// 5 ms or less makes the suite take 2 minutes or more.
import { runStoreCases } from '../src/runner.ts'
import { takingTime } from '../test/zoo/habitat.ts'

const [ms = 5, ...widths] = process.argv.slice(2).map(Number)

for (const concurrency of widths.length > 0 ? widths : [1, 16]) {
  const started = performance.now()
  const seconds = () => (performance.now() - started) / 1_000
  const report = await runStoreCases(() => takingTime(ms), {
    concurrency,
    onCase: ({ id, status, happened }, { done, total }) => {
      if (status === 'failed') console.log(`${id}: ${happened}`)
      else if (done % 25 === 0) console.log(`${done}/${total} after ${seconds().toFixed(0)} s`)
    },
  })
  console.log(
    `${ms} ms a call, ${concurrency} at a time: ${report.passed} passed, ${report.failed} failed, ${seconds().toFixed(1)} s`,
  )
  const longest = report.results.toSorted((a, b) => b.took - a.took).slice(0, 5)
  for (const { id, took } of longest) console.log(`  ${(took / 1_000).toFixed(1)} s  ${id}`)
  if (!report.ok || (ms <= 5 && seconds() >= 120)) process.exitCode = 1
}
