import { engineCases } from '../engine-cases/index.ts'
import type { StoreCase } from '../store-fixture.ts'
import { atOnceCases } from './at-once.ts'
import { bigRecordCases } from './big-records.ts'
import { cleanupCases } from './cleanup.ts'
import { crowdCases } from './crowd.ts'
import { everywhereCases } from './everywhere.ts'
import { expiryCases } from './expiry.ts'
import { faultCases } from './faults.ts'
import { historyCases } from './history.ts'
import { insertCases } from './insert.ts'
import { keptIndexCases } from './kept-index.ts'
import { lifeCases } from './life.ts'
import { limitCases } from './limits.ts'
import { listedIdCases } from './listed-ids.ts'
import { neighbourCases } from './neighbours.ts'
import { openScanCases } from './open-scan.ts'
import { outageCases } from './outage.ts'
import { pairCases } from './pairs.ts'
import { partlyCases } from './partly.ts'
import { payloadCases } from './payload.ts'
import { processCases } from './processes.ts'
import { programCases } from './programs.ts'
import { readCases } from './read.ts'
import { rejectedCases } from './rejected.ts'
import { remedyOf } from './remedies.ts'
import { removeCases } from './remove.ts'
import { replaceCases } from './replace.ts'
import { restartCases } from './restart.ts'
import { scanCases } from './scan.ts'
import { stalledCases } from './stalled.ts'
import { subjectCases } from './subject.ts'
import { subjectIndexCases } from './subject-index.ts'
import { touchCases } from './touch.ts'
import { versionCases } from './version.ts'

const inOrder: readonly StoreCase[] = [
  ...readCases,
  ...insertCases,
  ...expiryCases,
  ...replaceCases,
  ...versionCases,
  ...touchCases,
  ...removeCases,
  ...payloadCases,
  ...subjectIndexCases,
  ...subjectCases,
  ...listedIdCases,
  ...cleanupCases,
  ...scanCases,
  ...openScanCases,
  ...outageCases,
  ...stalledCases,
  ...lifeCases,
  ...everywhereCases,
  ...pairCases,
  ...bigRecordCases,
  ...atOnceCases,
  ...crowdCases,
  ...neighbourCases,
  ...rejectedCases,
  ...faultCases,
  ...partlyCases,
  ...keptIndexCases,
  ...limitCases,
  ...restartCases,
  ...processCases,
  ...historyCases,
  ...programCases,
  ...engineCases,
]

/** The store contract, in the order in which a store is written, and what users are promised over it. */
export const storeCases: readonly StoreCase[] = inOrder.map(rule => ({ ...rule, remedy: remedyOf(rule.id) }))
