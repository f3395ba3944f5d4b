import { describeAdapter } from '@sess/conformance/vitest'
import type { OwnWays, ProbeOptions } from '@sess/test-fixtures/probe.ts'
import { start } from './probe.ts'

const startInAWay = (options: ProbeOptions, ways: OwnWays) => start(options, 0, ways)

describeAdapter('@sess/node', options => start(options), {
  startTwoEngines: (outer, inner, ways) => startInAWay(outer, { inner, ...ways }),
  https: startInAWay,
  before: startInAWay,
  twice: startInAWay,
})
