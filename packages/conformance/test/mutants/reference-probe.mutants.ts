import { describeAdapter } from '../../src/vitest.ts'
import { startReference } from '../reference-probe.ts'

describeAdapter('the reference probe', startReference)
