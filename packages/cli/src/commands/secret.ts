import { randomBytes } from 'node:crypto'
import { type Console, say } from '../console.ts'

/** Prints a new secret: 32 random bytes, 43 characters that need no quotes. */
export function secret(console: Console): void {
  say(console, randomBytes(32).toString('base64url'))
}
