import type { StoreSetup } from '@sess/conformance'
import type { ProcessLimits } from './process-limits.ts'

/** Makes SQLite reject writes or have no room, for the connections in hand. It has no error while it starts, or for clients. */
export function sqliteTrouble(
  databases: readonly { exec(sql: string): unknown }[],
  limits: ProcessLimits | undefined,
): Pick<StoreSetup, 'fail' | 'healBackend'> {
  const setReadOnly = (value: 'on' | 'off') => {
    for (const db of databases) db.exec(`pragma query_only = ${value}`)
  }
  return {
    async fail(kind) {
      if (kind === 'read-only') return setReadOnly('on')
      if (kind === 'out-of-memory' && limits) return await limits.noRoom()
      return false
    },
    async healBackend() {
      setReadOnly('off')
      await limits?.lift()
    },
  }
}
