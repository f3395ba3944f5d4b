import { createHash } from 'node:crypto'
import type { Commands } from './client.ts'
import { IN_FLIGHT_MS, VERSION_LENGTH, versionTime } from './record.ts'
import { ANNOUNCE, runScript } from './scripts.ts'

/**
 * Which records a subject has: a sorted set for each subject, `<prefix>subject:<digest>`, with members `<id><version>`
 * and the record's expiry for a score. The set and its records may be on different servers, so nothing makes both
 * change at once. Instead:
 *
 * - a write is announced before it is done, so that no record is ever missing;
 * - a member only says "look at this id": readers look, and believe the record;
 * - a member is taken out only when no write can be on its way that relies on it. Each names the one write it belongs
 *   to and the time of it, so one that is a minute old and leads to no record is dead.
 */
export function subjectIndex(commands: Commands, prefix: string) {
  const keyOf = (subject: string) =>
    `${prefix}subject:${createHash('sha256').update(subject).digest('hex').slice(0, 40)}`

  return {
    /** Adds the write of `version` to come, and takes out that of `before`, the version that the record has till then. */
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

    /** Takes members out. Nobody waits for it: one that stays costs memory until its time is over, and misleads nobody. */
    withdraw(subject: string, members: string[]): void {
      if (members.length === 0) return
      const key = keyOf(subject)
      commands.send(key, ['ZREM', key, ...members]).catch(() => 'It stays.')
    },

    /** The ids that a subject may have records under, each with the members that say so. */
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

    /** Of members that lead to no record of the subject, those whose write can no longer be on its way. */
    dead(members: string[], now: number): string[] {
      const since = versionTime(now - IN_FLIGHT_MS)
      return members.filter(member => member.slice(-VERSION_LENGTH) < since)
    },
  }
}
