import { createHash } from 'node:crypto'
import type { StoredRecord } from '@sess/core'
import { type SessionView, viewOf } from '@sess/core/inspect'
import { Failure, MISUSED, WRONG } from './failure.ts'
import { need, type Target } from './target.ts'

const ID = /^[0-9a-f]{40}$/
const KEY = /^[0-9a-z]{32}$/

/**
 * The store's id for what the user typed: an id that a list shows, or a session key (what is in the cookie).
 *
 * @throws Failure (2) for text that is neither
 */
function idFor({ hashKeys, cookieName }: Target, text: string, command: string): string {
  const name = text.trim()
  if (KEY.test(name)) return hashKeys ? hashOf(cookieName, name) : name
  if (hashKeys && ID.test(name)) return name
  const problem = !hashKeys
    ? 'That is no session key: 32 characters of a-z and 0-9, as `sess list` shows them.'
    : /^[0-9a-f]{8,39}$/.test(name)
      ? 'That is neither an id nor a session key. If it is the beginning of an id, give all 40 characters, as `sess list` shows them.'
      : 'That is neither an id (40 characters of 0-9a-f, as `sess list` shows them) nor a session key (32 of a-z0-9, the value of the cookie).'
  // A longer text may be a secret.
  const subject = /^[\w@.+-]{1,30}$/.test(name) ? name : '…'
  const remedy = `sess ${command === 'end' ? 'end' : 'list'} --subject ${subject}`
  throw new Failure(MISUSED, `${problem} For the sessions of a user: \`${remedy}\`.`)
}

/** The rule of the engine's ids: SHA-256 of `cookiename=key`, its first 160 bits. */
function hashOf(cookieName: string, key: string): string {
  return createHash('sha256').update(`${cookieName}=${key}`).digest('hex').slice(0, 40)
}

/**
 * The live session of an id or a key.
 *
 * @throws Failure (1) if there is none
 */
export async function findSession(target: Target, text: string, command: string): Promise<SessionView> {
  const id = idFor(target, text, command)
  const record = (await need(target, 'read', command)(id, { now: Date.now() })) as StoredRecord | null
  if (record === null) {
    const cookie =
      KEY.test(text.trim()) && target.hashKeys ? ', or its cookie is not named by --cookie-name' : ''
    throw new Failure(
      WRONG,
      `There is no live session of this ${id === text.trim() && target.hashKeys ? 'id' : 'key'}: it has ended or expired, or there was none${cookie}. \`sess list\` shows those that live.`,
    )
  }
  const view = await viewOf({ ...record, id }, target.decode, target.age)
  if (view.supersededBy !== undefined) {
    throw new Failure(
      WRONG,
      `This key was replaced a moment ago, at a login. The session goes on as ${view.supersededBy}.`,
    )
  }
  return view
}
