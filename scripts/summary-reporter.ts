import { writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import type { Reporter, TestCase, TestModule } from 'vitest/node'
import { conformanceTable, inapplicable } from './conformance-table.ts'

/** The result of one run of vitest. `npm test` adds these up. */
export type TestCounts = { passed: number; failed: number; skipped: number }

/**
 * Prints after the run the results of the conformance suite on each store and adapter. Names every skipped test and its
 * reason, so that a skip is never quiet. Writes the counts as JSON to the file that `SESS_COUNTS` names. A case of the suite
 * that does not apply is in the table and in no count. A file that does not load and an error outside a test count as one
 * failure each.
 */
export class SummaryReporter implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandled: ReadonlyArray<unknown>): void {
    const counts: TestCounts = { passed: 0, failed: unhandled.length, skipped: 0 }
    const skips = new Map<string, string[]>()
    for (const module of modules) {
      counts.failed += module.errors().length
      for (const suite of module.children.allSuites()) counts.failed += suite.errors().length
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === 'passed' || state === 'failed') counts[state]++
        else if (inapplicable(test) === undefined) {
          counts.skipped++
          const reason = skipReason(test)
          skips.set(reason, [...(skips.get(reason) ?? []), `${file(module)} > ${test.fullName}`])
        }
      }
    }
    const table = conformanceTable(modules)
    if (table) console.log(`\n${table}`)
    if (counts.skipped > 0) console.log(`\n${describeSkips(skips, counts.skipped)}`)
    const path = process.env['SESS_COUNTS']
    if (path) writeFileSync(path, JSON.stringify(counts))
  }
}

function file(module: TestModule): string {
  return relative(process.cwd(), module.moduleId)
}

function skipReason(test: TestCase): string {
  const result = test.result()
  return (result.state === 'skipped' && result.note) || 'no reason given'
}

function describeSkips(skips: Map<string, string[]>, total: number): string {
  const lines = [`SKIPPED ${total} test${total === 1 ? '' : 's'}:`]
  for (const [reason, names] of skips) {
    lines.push(`  ${reason}`)
    for (const name of names.slice(0, 5)) lines.push(`    - ${name}`)
    if (names.length > 5) lines.push(`    - and ${names.length - 5} more`)
  }
  return lines.join('\n')
}
