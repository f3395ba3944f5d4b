import { expect, it } from 'vitest'
import { parseRecord, serializeExpiry, serializeRest } from '../src/record.ts'

const NOW = 1_700_000_000_000
const EXPIRES = serializeExpiry(NOW + 1)
const VERSION = '0abc123'.padEnd(15, '0')
const OLDER = 'Ab3_-x9Zq1'.repeat(200)

it.each([
  ['a payload', '{"a":1}', undefined, ''],
  ['a payload with line feeds and blanks', '\n a\n', undefined, ''],
  ['a subject with all that separates', 'p', 'a b,c\n"d"', ''],
  ['earlier writes', 'p', 'ann', OLDER],
])('reads %s', (_, payload, subject, older) => {
  const rest = serializeRest({ payload, expiresAt: NOW + 1, ...(subject !== undefined && { subject }) })
  expect(parseRecord(`${EXPIRES} ${VERSION}${older} ${rest}`, NOW)).toEqual({
    payload,
    expiresAt: NOW + 1,
    version: VERSION + (subject ?? ''),
    ...(subject !== undefined && { subject }),
  })
})

it.each([
  ['nothing', null],
  ['other text', 'hello'],
  ['an expired one', `${serializeExpiry(NOW)} ${VERSION} \np`],
  ['no line feed', `${EXPIRES} ${VERSION} p`],
  ['no blank behind the version', `${EXPIRES} ${VERSION}\np`],
  ['a blank in the payload alone', `${EXPIRES} ${VERSION}\np q`],
  ['a short version', `${EXPIRES} ${VERSION.slice(1)} \np`],
  ['a subject that is no JSON', `${EXPIRES} ${VERSION} ann\np`],
  ['a subject that is no text', `${EXPIRES} ${VERSION} 5\np`],
])('finds no session in %s', (_, value) => {
  expect(parseRecord(value, NOW)).toBeNull()
})
