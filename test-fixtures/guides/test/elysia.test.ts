import { describeAdapter } from '@sess/conformance/vitest'
import { start } from '../elysia/probe.ts'

describeAdapter('Elysia', start, {
  startTwoEngines: (options, inner, ways) => start(options, { inner, ...ways }),
  https: start,
  twice: start,
  under: start,
})
