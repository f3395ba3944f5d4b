import { createHash } from 'node:crypto'
import type { Commands } from './client.ts'
import { IN_FLIGHT_MS, VERSION_LENGTH, versionTime } from './record.ts'
import { ANNOUNCE, runScript } from './scripts.ts'

/**
 * The records of each subject: a sorted set `<prefix>subject:<digest>`. A member is `<id><version>`, its score the record's
 * expiry. The set and its records may be on different servers, so they cannot change in one step. Instead:
 *
 * - A write is added to the set before it is done, so no record is missing.
 * - A member is only a hint: readers read the record and use its subject.
 * - A member belongs to one write and contains its time. It is removed when that write can no longer be under way: a member
 *   that is a minute old and whose record is not there is dead.
 */
export function subjectIndex(commands: Commands, prefix: string) {
  const keyOf = (subject: string) =>
    `${prefix}subject:${createHash('sha256').update(subject).digest('hex').slice(0, 40)}`

  return {
    /** Adds the member of a coming write, and removes that of `before`, the version that the record has until then. */
    async announce(
      subject: string,
      id: string,
      version: string,
      before: string | undefined,
      expiresAt: number,
      now: number,
      signal?: AbortSignal,
    ): Promise<void> {
      const life = Math.ceil(expiresAt - now) + IN_FLIGHT_MS
      const insteadOf = before === undefined ? '' : id + before
      const args = [id + version, Math.floor(expiresAt), life, insteadOf, now - IN_FLIGHT_MS]
      await runScript(commands, ANNOUNCE, keyOf(subject), args, signal)
    },

    /** Removes members, without waiting. A member that stays needs memory until it expires, and does no harm. */
    withdraw(subject: string, members: string[]): void {
      if (members.length === 0) return
      const key = keyOf(subject)
      commands.send(key, ['ZREM', key, ...members]).catch(() => 'It stays.')
    },

    /** The ids that may belong to the subject, each with its members. */
    async members(subject: string, signal?: AbortSignal): Promise<Map<string, string[]>> {
      const key = keyOf(subject)
      const byId = new Map<string, string[]>()
      for (const member of (await commands.send(key, ['ZRANGE', key, '0', '-1'], signal)) as string[]) {
        const id = member.slice(0, -VERSION_LENGTH)
        const known = byId.get(id)
        if (known) known.push(member)
        else byId.set(id, [member])
      }
      return byId
    },

    /** The members whose write can no longer be under way. Pass only members without a record of the subject. */
    dead(members: string[], now: number): string[] {
      const since = versionTime(now - IN_FLIGHT_MS)
      return members.filter(member => member.slice(-VERSION_LENGTH) < since)
    },
  }
}
