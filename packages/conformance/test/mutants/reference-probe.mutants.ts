import { describeAdapter } from '../../src/vitest.ts'
import { referenceWays, startReference } from '../reference-probe.ts'

describeAdapter('the reference probe', options => startReference(options), referenceWays())
