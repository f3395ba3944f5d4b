// A process that appends numbers to one session: `node appender.ts <folder> <id> <first> <count>`.
import { fileStore } from '../../src/index.ts'

const [folder = '', id = '', first = '', count = ''] = process.argv.slice(2)
const store = fileStore(folder)
process.send?.('ready')
await new Promise(resolve => process.once('message', resolve))
for (let n = Number(first); n < Number(first) + Number(count); n++) {
  for (;;) {
    const found = await store.read(id)
    if (!found) throw new Error('The session is gone.')
    const payload = JSON.stringify([...JSON.parse(found.payload), n])
    const answer = await store.replace(id, { payload, expiresAt: found.expiresAt }, found.version)
    if (answer === 'ok') break
    if (answer === 'gone') throw new Error('The session is gone.')
  }
}
process.disconnect?.()
