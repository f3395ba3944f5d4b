import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createSessions, type Session, type Sessions } from '@sess/core'
import { cacheStore } from '@sess/store-cache'
import { intercept } from './intercepted-store.ts'

/** An engine over a store that answers a turn later, as one on a network does. `fail()`: its next call throws. */
export function slowSessions(): { sessions: Sessions; fail(): void } {
  const store = intercept(cacheStore())
  let fails = false
  store.before = async () => {
    await new Promise(resolve => setImmediate(resolve))
    if (!fails) return
    fails = false
    throw new Error('down')
  }
  return {
    sessions: createSessions({ store }),
    fail() {
      fails = true
    },
  }
}

export function change(session: Session): void {
  session.update('n', (n = 0) => n + 1)
}

/** Serves an app and says where, for `runProgram`. */
export function listen(listener: RequestListener): void {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1', () => {
    console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  })
}
