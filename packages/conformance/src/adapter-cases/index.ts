import { carrierCases } from './carriers.ts'
import { cookieCases } from './cookies.ts'
import { deliveryCases } from './delivery.ts'
import { failureCases } from './failures.ts'
import type { AdapterCase } from './fixture.ts'
import { keyCases } from './keys.ts'
import { requestCases } from './requests.ts'
import { semanticsCases } from './semantics.ts'
import { twoEnginesCases } from './two-engines.ts'
import { visitorsCases } from './visitors.ts'

/** What every adapter does, over real HTTP against its probe app. */
export const adapterCases: readonly AdapterCase[] = [
  ...cookieCases,
  ...keyCases,
  ...semanticsCases,
  ...deliveryCases,
  ...failureCases,
  ...requestCases,
  ...visitorsCases,
  ...twoEnginesCases,
  ...carrierCases,
]
