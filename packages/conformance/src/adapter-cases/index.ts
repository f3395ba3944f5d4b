import { carrierCases } from './carriers.ts'
import { cookieCases } from './cookies.ts'
import { deliveryCases } from './delivery.ts'
import { errorCases } from './errors.ts'
import { failureCases } from './failures.ts'
import type { AdapterCase } from './fixture.ts'
import { hookCases } from './hooks.ts'
import { keyCases } from './keys.ts'
import { oddRequestCases } from './odd-requests.ts'
import { proxyCases } from './proxies.ts'
import { rawCases } from './raw.ts'
import { remedyOf } from './remedies.ts'
import { requestCases } from './requests.ts'
import { secureCases } from './secure.ts'
import { semanticsCases } from './semantics.ts'
import { thenFailsCases } from './then-fails.ts'
import { twiceCases } from './twice.ts'
import { twoEnginesCases } from './two-engines.ts'
import { underCases } from './under.ts'
import { visitorsCases } from './visitors.ts'

const inOrder: readonly AdapterCase[] = [
  ...cookieCases,
  ...keyCases,
  ...semanticsCases,
  ...deliveryCases,
  ...failureCases,
  ...requestCases,
  ...oddRequestCases,
  ...visitorsCases,
  ...rawCases,
  ...errorCases,
  ...thenFailsCases,
  ...twoEnginesCases,
  ...carrierCases,
  ...secureCases,
  ...proxyCases,
  ...hookCases,
  ...twiceCases,
  ...underCases,
]

/** What every adapter does, over real HTTP against its probe app. */
export const adapterCases: readonly AdapterCase[] = inOrder.map(rule => ({
  ...rule,
  remedy: remedyOf(rule.id),
}))
