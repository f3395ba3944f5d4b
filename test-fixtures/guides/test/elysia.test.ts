import { describeAdapter } from '@sess/conformance/vitest'
import { start } from '../elysia/probe.ts'

describeAdapter('Elysia', start, {
  startTwoEngines: (options, inner) => start(options, { inner }),
  https: start,
  twice: start,
})
