import { NEEDS_START } from './adapter-cases/fixture.ts'
import { unprovedAdapterWithout } from './adapter-cases/means.ts'
import { type Unproved, unprovedWithout } from './means.ts'
import type { CaseResult, Report } from './runner.ts'

/**
 * A report that a person reads: what broke first, then what did not apply, then the sum, and what nobody knows because
 * the cases had not the means to prove it. Plain text, no colours.
 *
 * @example
 * console.log(formatReport(await runStoreCases(factory)))
 */
export function formatReport(report: Report): string {
  if (report.results.length === 0) return 'No case was chosen. `--list` shows them all.'
  const failed = report.results.filter(({ status }) => status === 'failed')
  const skipped = report.results.filter(({ status }) => status === 'skipped')
  const unproved = skipped.filter(({ reason }) => unprovedBy(reason) !== undefined)
  const inapplicable = skipped.filter(result => !unproved.includes(result))
  const lines: string[] = []
  for (const result of failed) lines.push(formatFailure(result), '')
  if (inapplicable.length > 0) {
    lines.push('Does not apply:')
    for (const { id, reason } of inapplicable) lines.push(`  ${id}: ${reason}`)
    lines.push('')
  }
  lines.push(`${report.passed} passed, ${report.failed} failed, ${inapplicable.length} do not apply.`)
  if (report.left) lines.push(`Stopped at the first failure: ${report.left} cases were not run.`)
  for (const reason of new Set(unproved.map(({ reason }) => reason))) {
    const ids = unproved.filter(result => result.reason === reason).map(({ id }) => id)
    const { what, how } = unprovedBy(reason) as Unproved
    lines.push('', `${what} NOT proved, because ${reason}:`, ...ids.map(id => `  ${id}`), how)
  }
  return lines.join('\n')
}

/** Where a case was skipped for want of means, and not because of what is proved: what stays open, and how to prove it. */
function unprovedBy(reason: string | undefined): Unproved | undefined {
  if (reason === NEEDS_START) return { what: 'The adapter is', how: PROVES_ADAPTER }
  if (reason?.startsWith('the probe app ')) {
    return {
      what: 'Some requests are',
      how: 'Take the routes from probeRoutes: docs/write-an-adapter.md shows how.',
    }
  }
  return unprovedAdapterWithout(reason) ?? unprovedWithout(reason)
}

const PROVES_ADAPTER = 'Only describeAdapter(name, start), or runAdapterCases(start), proves an adapter.'

/**
 * One broken rule: which, what was expected, what happened, what to change, and why it matters to a user.
 *
 * @example
 * for (const result of report.results) if (result.status === 'failed') console.error(formatFailure(result))
 */
export function formatFailure(result: CaseResult): string {
  const lines = [
    `BROKEN  ${result.id}`,
    `  ${result.title}`,
    `  Rule      ${result.rule}`,
    `  Expected  ${result.expected}`,
    `  Happened  ${result.happened}`,
    `  Matters   ${result.why}`,
    `  Source    ${result.source}`,
  ]
  if (result.remedy !== undefined) lines.splice(5, 0, `  Remedy    ${result.remedy}`)
  if (result.seed !== undefined) {
    lines.push(
      `  Seed      ${result.seed}: with --seed ${result.seed}, or { seed: ${result.seed} }, it is chosen again`,
    )
  }
  return lines.join('\n')
}

/**
 * One line of progress, with the time of a case that took over a second.
 *
 * @example
 * await runStoreCases(factory, { onCase: (result, progress) => console.log(formatProgress(result, progress)) })
 */
export function formatProgress(result: CaseResult, { done, total }: { done: number; total: number }): string {
  const mark = { passed: 'ok    ', failed: 'BROKEN', skipped: 'n/a   ' }[result.status]
  const count = `${String(done).padStart(String(total).length)}/${total}`
  const time = result.took < 1_000 ? '' : `  (${(result.took / 1_000).toFixed(1)} s)`
  return `${count}  ${mark}  ${result.id}  ${result.title}${time}`
}
