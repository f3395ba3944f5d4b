// Runs programs in one process, one after the other. Each listens on port 3000, and gets a free one. Sends `[file, url]` for
// each, and disconnects when all of them listen.
import { once } from 'node:events'
import { type AddressInfo, Server } from 'node:net'
import { join } from 'node:path'

const { listen } = Server.prototype
let asked: (server: Server) => void
Server.prototype.listen = function (this: Server, ...args: unknown[]): Server {
  if (!JSON.stringify(args).includes('3000')) throw new Error('The program listens on another port.')
  asked(this)
  return Reflect.apply(listen, this, [0, '127.0.0.1', ...args.filter(each => typeof each === 'function')])
} as typeof listen

for (const file of process.argv.slice(2)) {
  const starting = new Promise<Server>(resolve => {
    asked = resolve
  })
  await import(join(process.cwd(), file))
  const server = await starting
  if (!server.listening) await once(server, 'listening')
  process.send!([file, `http://127.0.0.1:${(server.address() as AddressInfo).port}`])
}
process.disconnect()
