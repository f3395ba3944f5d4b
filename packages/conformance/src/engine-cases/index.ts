import type { StoreCase } from '../store-fixture.ts'
import { accountCases } from './accounts.ts'
import { djangoCases } from './django.ts'
import { outageCases } from './outage.ts'
import { overlapCases } from './overlap.ts'

/** What users are promised, through a real engine on the store. */
export const engineCases: readonly StoreCase[] = [
  ...djangoCases,
  ...overlapCases,
  ...outageCases,
  ...accountCases,
]
