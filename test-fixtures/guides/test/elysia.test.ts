import { describeAdapter } from '@sess/conformance/vitest'
import { start } from '../elysia/probe.ts'

describeAdapter('Elysia', start, { startTwoEngines: start })
