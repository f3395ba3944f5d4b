// One contestant as a process: `server.ts <framework> <name>`. Its parent asks it what it has used.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { contestants } from './contestants.ts'

const [framework, name] = process.argv.slice(2)
const contestant = contestants.find(each => each.framework === framework && each.name === name)
if (!contestant) throw new Error(`There is no ${name} on ${framework}.`)

let requests = 0
const server = createServer(await contestant.app())
server.on('request', () => {
  requests++
})
server.listen(0, '127.0.0.1', () => {
  process.send!(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send!({ requests, cpu: user + system })
})
process.on('disconnect', () => process.exit())
