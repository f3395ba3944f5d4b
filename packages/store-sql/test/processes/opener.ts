/** Opens a store and adds a record. Arguments: file, id. */
import { sqliteStore } from '../../src/index.ts'

const [file, id] = process.argv.slice(2) as [string, string]
const store = sqliteStore(file)
if (!(await store.insert(id, { payload: '', expiresAt: Date.now() + 3_600_000 }))) process.exitCode = 1
store.close()
