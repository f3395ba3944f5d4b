import { createHash } from 'node:crypto'
import type { Commands } from './client.ts'
import {
  EARLIER_LENGTH,
  HEADER_BYTES,
  KEEP_EARLIER_SECONDS,
  MAX_CLOCK_DIFFERENCE_SECONDS,
  MAX_EARLIER,
  RANDOM_LENGTH,
  STAMP_RANGE,
  VERSION_LENGTH,
} from './record.ts'

/** A Lua script, and the digest by which Redis finds it. */
export interface Script {
  text: string
  sha1: string
}

/** The beginning of each script for a record. A record that has expired at `ARGV[1]` is absent. */
const LOOK = `
local held = redis.call('GETRANGE', KEYS[1], 0, ${HEADER_BYTES - 1})
local expires, versions = string.match(held, '^(%d+) (%S+) ')
local version = versions and string.sub(versions, 1, ${VERSION_LENGTH})
local live = expires and tonumber(expires) > tonumber(ARGV[1])
`

/** Whether the record holds this write, or held it some seconds ago. Then the client has sent it before. */
const IS_WRITTEN = `
local function isWritten(mine)
  if version == mine then return true end
  local random = string.sub(mine, -${RANDOM_LENGTH})
  for at = ${VERSION_LENGTH + 1}, #versions, ${EARLIER_LENGTH} do
    if string.sub(versions, at, at + ${RANDOM_LENGTH - 1}) == random then return true end
  end
  return false
end
`

/** ARGV: now, milliseconds to live, version, record. Returns `ok` or `taken`. */
export const INSERT = script(`${LOOK}${IS_WRITTEN}
if live and isWritten(ARGV[3]) then return 'ok' end
if live or (held ~= '' and not expires) then return 'taken' end
if tonumber(ARGV[2]) > 0 then
  redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[2])
elseif held ~= '' then
  redis.call('DEL', KEYS[1])
end
return 'ok'
`)

/**
 * ARGV: now, milliseconds to live, version read, new version, the stamp of now, expiry, the rest of the record. Returns
 * `ok`, `stale` or `gone`.
 */
export const REPLACE = script(`${LOOK}${IS_WRITTEN}
if not live then return 'gone' end
if version ~= ARGV[3] then return isWritten(ARGV[4]) and 'ok' or 'stale' end
if tonumber(ARGV[2]) <= 0 then
  redis.call('DEL', KEYS[1])
  return 'ok'
end
-- The newest comes first, so all after the first that is too old are too old. A slow clock makes an age negative.
local last = ${VERSION_LENGTH}
while last < #versions and last < ${VERSION_LENGTH + (MAX_EARLIER - 1) * EARLIER_LENGTH} do
  local stamp = tonumber(string.sub(versions, last + ${RANDOM_LENGTH + 1}, last + ${EARLIER_LENGTH}), 36)
  local age = stamp and (tonumber(ARGV[5], 36) - stamp + ${STAMP_RANGE / 2}) % ${STAMP_RANGE} - ${STAMP_RANGE / 2}
  if not age or age > ${KEEP_EARLIER_SECONDS} or age < -${MAX_CLOCK_DIFFERENCE_SECONDS} then break end
  last = last + ${EARLIER_LENGTH}
end
local earlier = string.sub(version, -${RANDOM_LENGTH}) .. ARGV[5] .. string.sub(versions, ${VERSION_LENGTH + 1}, last)
redis.call('SET', KEYS[1], ARGV[6] .. ' ' .. ARGV[4] .. earlier .. ' ' .. ARGV[7], 'PX', ARGV[2])
return 'ok'
`)

/** ARGV: now, milliseconds to live, version read, expiry. Returns `ok` or `gone`. */
export const TOUCH = script(`${LOOK}
if not live or version ~= ARGV[3] then return 'gone' end
if tonumber(ARGV[2]) > 0 then
  redis.call('SETRANGE', KEYS[1], 0, ARGV[4])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
else
  redis.call('DEL', KEYS[1])
end
return 'ok'
`)

/** ARGV: now, version read or the empty string. Returns `ok`, `stale` or `gone`. */
export const REMOVE = script(`${LOOK}
if ARGV[2] ~= '' and version ~= ARGV[2] then return live and 'stale' or 'gone' end
redis.call('DEL', KEYS[1])
return live and 'ok' or 'gone'
`)

/** ARGV: now, the end of the header of a record of that subject. Returns `ok` or `gone`. */
export const REMOVE_OF_SUBJECT = script(`${LOOK}
if not live then return 'gone' end
local from = #expires + #versions + 3
if string.sub(held, from, from + #ARGV[2] - 1) ~= ARGV[2] then return 'gone' end
redis.call('DEL', KEYS[1])
return 'ok'
`)

/**
 * Adds a member to the index of a subject. ARGV: member, expiry, milliseconds that the index must live for it, the member
 * that it replaces or the empty string, the time before which members have expired.
 */
export const ANNOUNCE = script(`
local score = ARGV[2]
-- Until the coming write is done, the old record is there, which may live longer.
local old = redis.call('ZSCORE', KEYS[1], ARGV[4])
if old and tonumber(old) > tonumber(score) then score = old end
redis.call('ZADD', KEYS[1], score, ARGV[1])
if ARGV[4] ~= ARGV[1] then redis.call('ZREM', KEYS[1], ARGV[4]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[5])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return 'ok'
`)

/**
 * One round trip, or two if the server does not know the script (after a restart, failover or `SCRIPT FLUSH`).
 *
 * @param removes whether the record is deleted, so that a second time could not tell that the first one succeeded
 */
export async function runScript(
  commands: Commands,
  { sha1, text }: Script,
  key: string,
  args: (string | number)[],
  signal?: AbortSignal,
  removes?: boolean,
): Promise<unknown> {
  const rest = ['1', key, ...args.map(String)]
  try {
    return await commands.send(key, ['EVALSHA', sha1, ...rest], signal, removes)
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
    return await commands.send(key, ['EVAL', text, ...rest], signal, removes)
  }
}

function script(text: string): Script {
  return { text, sha1: createHash('sha1').update(text).digest('hex') }
}
