import { requireServer, type ServerKind } from '@sess/test-fixtures/servers'
import { describe, expect, test } from 'vitest'
import { clearExpiredUnderLoad } from '../campaign/clear-expired.ts'
import type { Engine } from './filled-table.ts'

const ROWS = 20_000
const engines: { engine: Engine; server?: ServerKind; batchSize: number }[] = [
  { engine: 'sqlite', batchSize: 250 },
  { engine: 'postgres', server: 'postgres', batchSize: 1_000 },
]

for (const { engine, server, batchSize } of engines) {
  describe.skipIf(server !== undefined && !requireServer(server))(engine, () => {
    test('expired rows go in batches while another process writes, and live rows stay as they are [F25]', {
      timeout: 60_000,
    }, async () => {
      const outcome = await clearExpiredUnderLoad(engine, ROWS)
      const live = Math.floor(ROWS / 6)
      expect(outcome).toMatchObject({ liveIntact: true, live, removed: ROWS - live, biggestBatch: batchSize })
      expect(outcome.batches).toBe(Math.ceil((ROWS - live) / batchSize))
      expect(outcome.writes).toBeGreaterThan(0)
    })
  })
}
