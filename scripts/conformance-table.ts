import type { TestCase, TestModule, TestSuite } from 'vitest/node'

/** What the cases of `@sess/conformance` came to on one store, adapter or cookie store. */
interface Row {
  passed: number
  doesNotApply: number
  failed: number
  notRun: number
}

/** `group/name: title`, as the suite registers its cases. */
const CASE = /^(?:store|engine|cookie-store|adapter)\/[a-z0-9-]+: /

/** Why a case of the suite does not apply to what it ran on: that is a result, and no skip. */
export function inapplicable(test: TestCase): string | undefined {
  const result = test.result()
  if (result.state !== 'skipped' || !CASE.test(test.name)) return undefined
  return /^does not apply: (.*)/s.exec(result.note ?? '')?.[1]
}

/** The table of everything that the suite ran on, and the reasons why cases did not apply; empty when it did not run. */
export function conformanceTable(modules: Iterable<TestModule>): string {
  const rows = new Map<string, Row>()
  const reasons = new Map<string, Set<string>>()
  for (const module of modules) {
    for (const test of module.children.allTests()) {
      if (!CASE.test(test.name)) continue
      const name = nameOf(test)
      const row = rows.get(name) ?? { passed: 0, doesNotApply: 0, failed: 0, notRun: 0 }
      rows.set(name, row)
      const reason = inapplicable(test)
      const { state } = test.result()
      if (state === 'passed' || state === 'failed') row[state]++
      else if (reason === undefined) row.notRun++
      else {
        row.doesNotApply++
        reasons.set(reason, (reasons.get(reason) ?? new Set()).add(name))
      }
    }
  }
  return rows.size === 0 ? '' : [...table(rows), '', ...explained(reasons)].join('\n').trimEnd()
}

/** The name given to `describeStore`, and the suites around it. */
function nameOf(test: TestCase): string {
  const names: string[] = []
  for (let at = test.parent; at.type === 'suite'; at = (at as TestSuite).parent) names.unshift(at.name)
  return names.filter(name => name !== 'store contract' && name !== 'on real servers').join(' > ')
}

function table(rows: Map<string, Row>): string[] {
  const sorted = [...rows].sort(([a], [b]) => a.localeCompare(b))
  const width = Math.max(...sorted.map(([name]) => name.length))
  const line = (name: string, cells: (string | number)[]) =>
    name.padEnd(width) + cells.map(cell => String(cell).padStart(16)).join('')
  return [
    line('CONFORMANCE', ['passed', 'does not apply', 'failed', 'not run']),
    ...sorted.map(([name, row]) => line(name, [row.passed, row.doesNotApply, row.failed, row.notRun])),
  ]
}

function explained(reasons: Map<string, Set<string>>): string[] {
  const lines = [...reasons].map(([reason, names]) => `  ${reason}: ${[...names].sort().join(', ')}`)
  return lines.length === 0 ? [] : ['Does not apply, because', ...lines]
}
