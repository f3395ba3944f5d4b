// Kills a server over SQLite while clients write, and counts lost changes: `pnpm campaign kills [rounds]`, 50 by default.
import { KilledServer, killWhileWriting } from '../test/killed-server.ts'

const rounds = Number(process.argv[2] ?? 50)
await using server = await KilledServer.inTemporaryFolder()
const { confirmed, stored } = await killWhileWriting(server, rounds)
const lost = confirmed.filter(item => !stored.includes(item)).length
const repeated = stored.length - new Set(stored).size
console.log(`${rounds} kills, ${confirmed.length} confirmed changes: ${lost} lost, ${repeated} stored twice`)
process.exitCode = lost + repeated === 0 ? 0 : 1
