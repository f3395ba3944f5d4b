// Reads a session with 300 ms of patience: `node reader.ts <client> <port> <id>`. Says `ready`, reads when a line comes
// in, says `sent`, and at the end what it read.
import { redisStore } from '../src/index.ts'
import { standaloneClients } from './clients.ts'

const [name, port, id = ''] = process.argv.slice(2)
const { open } = standaloneClients.find(client => client.name === name)!
const opened = await open({ url: `redis://127.0.0.1:${port}`, port: Number(port) })
const store = redisStore(opened.client)
console.log('ready')
await new Promise(resolve => process.stdin.once('data', resolve))
const reading = store.read(id, { signal: AbortSignal.timeout(300) })
setTimeout(() => console.log('sent'), 50)
try {
  console.log((await reading)?.payload)
} catch (error) {
  console.log((error as Error).name)
}
opened.close()
process.exit()
