// 10^7 altered tokens against each format, none of which may be accepted: `pnpm campaign forgery [count]`.
import { randomBytes } from 'node:crypto'
import { encryptedCookieStore, signedCookieStore } from '@sess/store-cookie'
import { alterations } from '../test/alterations.ts'

const count = Number(process.argv[2] ?? 10_000_000)
const secret = randomBytes(32).toString('base64')
const context = { name: 'sessionid', secrets: [secret, randomBytes(32).toString('base64')], now: Date.now() }
const expiresAt = context.now + 1_209_600_000

// Which alterations to try need not be secret, only many and different.
let state = Number(process.env['SEED'] ?? randomBytes(4).readUInt32LE())
console.log(`seed ${state}`)
function random(below: number): number {
  state = (state + 0x6d2b79f5) | 0
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return ((mixed ^ (mixed >>> 14)) >>> 0) % below
}

const stores = [
  ['encrypted', encryptedCookieStore()],
  ['signed', signedCookieStore()],
  ['signed, for Django', signedCookieStore({ django: true })],
] as const

for (const [name, store] of stores) {
  const [token, other] = [7, 8].map(
    user => store.seal({ payload: `{"user":${user},"admin":false}`, expiresAt }, context) as string,
  ) as [string, string]
  const started = performance.now()
  let tried = 0
  let accepted = 0
  for (const altered of alterations(token, other, random)) {
    if (store.unseal(altered, context) !== null) {
      accepted++
      console.error(`ACCEPTED by ${name}: ${altered}\n  made from ${token}\n  and ${other}`)
    }
    if (++tried === count) break
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(0)
  console.log(`${name}: ${tried} altered tokens, ${accepted} accepted, ${seconds} s`)
  if (accepted > 0 || store.unseal(token, context) === null) process.exitCode = 1
}
