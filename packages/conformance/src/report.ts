import type { CaseResult, Report } from './runner.ts'

/** A report that a person reads: what broke first, then what did not apply, then the sum. Plain text, no colours. */
export function formatReport(report: Report): string {
  const failed = report.results.filter(({ status }) => status === 'failed')
  const skipped = report.results.filter(({ status }) => status === 'skipped')
  const lines: string[] = []
  for (const result of failed) lines.push(formatFailure(result), '')
  if (skipped.length > 0) {
    lines.push('Does not apply:')
    for (const { id, reason } of skipped) lines.push(`  ${id}: ${reason}`)
    lines.push('')
  }
  if (report.results.length === 0) lines.push('No case was chosen. `--list` shows them all.')
  else lines.push(`${report.passed} passed, ${report.failed} failed, ${report.skipped} do not apply.`)
  return lines.join('\n')
}

/** One broken rule: which, what was expected, what happened, and why it matters to a user. */
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
  if (result.seed !== undefined) {
    lines.push(
      `  Seed      ${result.seed}: with --seed ${result.seed}, or { seed: ${result.seed} }, it is chosen again`,
    )
  }
  return lines.join('\n')
}

/** One line of progress. */
export function formatProgress(result: CaseResult, { done, total }: { done: number; total: number }): string {
  const mark = { passed: 'ok    ', failed: 'BROKEN', skipped: 'n/a   ' }[result.status]
  const count = `${String(done).padStart(String(total).length)}/${total}`
  return `${count}  ${mark}  ${result.id}  ${result.title}`
}
