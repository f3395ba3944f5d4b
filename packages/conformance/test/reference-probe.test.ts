import { describeAdapter } from '../src/vitest.ts'
import { startReference, startReferenceWithTwo } from './reference-probe.ts'

describeAdapter('the reference probe', options => startReference(options), {
  startTwoEngines: startReferenceWithTwo(),
})
