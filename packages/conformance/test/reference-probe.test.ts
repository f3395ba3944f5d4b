import { describeAdapter } from '../src/vitest.ts'
import { referenceWays, startReference } from './reference-server.ts'

describeAdapter('the reference probe', options => startReference(options), referenceWays())
