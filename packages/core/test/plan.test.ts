import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { type Facts, type Plan, planCommit } from '../src/plan.ts'

/** A request that came with the cookie of a stored session, did not look at it, and succeeded. */
const UNTOUCHED: Facts = {
  status: 200,
  hasCookie: true,
  isContested: false,
  wasRead: false,
  isModified: false,
  isUnsaved: false,
  isEmpty: false,
  isStored: true,
  isRotating: false,
  isOnMarker: false,
  wasFlushed: false,
  hasRecordToRemove: false,
  isExtensionDue: false,
  isWritten: false,
  hasKeyToSend: false,
}

const read: Partial<Facts> = { wasRead: true }
const changed: Partial<Facts> = { ...read, isModified: true, isUnsaved: true }
/** What `save()` in the handler leaves: it stored a new session, whose key the browser does not know. */
const savedNew: Partial<Facts> = { ...read, isModified: true, isWritten: true, hasKeyToSend: true }
const noSession: Partial<Facts> = { isEmpty: true, isStored: false, hasCookie: false }
const deadCookie: Partial<Facts> = { isEmpty: true, isStored: false }
const flushed: Partial<Facts> = {
  ...read,
  isModified: true,
  isUnsaved: true,
  isEmpty: true,
  isStored: false,
  wasFlushed: true,
  hasRecordToRemove: true,
}
const flushedAndSet: Partial<Facts> = { ...flushed, isEmpty: false }
const superseded: Partial<Facts> = { ...read, isEmpty: true, isOnMarker: true }
const due: Partial<Facts> = { isExtensionDue: true }

type Row = [what: string, facts: Partial<Facts>, plan: string]

/** Rule by rule: what happened in the request, and `remove? | save | cookie | vary?` in short. */
const RULES: Record<string, Row[]> = {
  'Nothing was changed': [
    ['no cookie, session not used', noSession, '- | none | none | -'],
    ['no cookie, session read', { ...noSession, ...read }, '- | none | none | Cookie'],
    ['session not used', {}, '- | none | none | -'],
    ['session read', read, '- | none | none | Cookie'],
    [
      'the handler reads, and the cookie has no session behind it',
      { ...deadCookie, ...read },
      '- | none | delete | Cookie',
    ],
    [
      'the same, and the status is 500',
      { ...deadCookie, ...read, status: 500 },
      '- | none | delete | Cookie',
    ],
    [
      'two different session cookies: neither is used',
      { ...deadCookie, ...read, isContested: true },
      '- | none | none | Cookie',
    ],
    ['another request has rotated the key', superseded, '- | none | none | Cookie'],
  ],
  'Something was changed': [
    ['a new session', { ...changed, hasCookie: false, isStored: false }, '- | insert | send | Cookie'],
    ['a stored session, or `clear()`', changed, '- | replace | send | Cookie'],
    [
      'a nested mutation: `modified` stays false',
      { ...changed, isModified: false },
      '- | replace | send | Cookie',
    ],
    ['`modified = false` after a change', { ...read }, '- | none | none | Cookie'],
    ['the status is 500 or more', { ...changed, status: 500 }, '- | none | none | Cookie'],
    ['a status below 500, a 404 say', { ...changed, status: 404 }, '- | replace | send | Cookie'],
    [
      'another request has rotated the key: 400',
      { ...changed, isOnMarker: true },
      '- | reject | none | Cookie',
    ],
  ],
  '`cycleKey()`': [
    ['of a stored session', { ...changed, isStored: false, isRotating: true }, '- | rotate | send | Cookie'],
    ['of a new session', { ...changed, isStored: false }, '- | insert | send | Cookie'],
    [
      'the status is 500: the old key stays',
      { ...changed, isStored: false, isRotating: true, status: 500 },
      '- | none | none | Cookie',
    ],
    [
      'after another request has rotated the key: a session of its own',
      { ...changed, isStored: false },
      '- | insert | send | Cookie',
    ],
  ],
  '`flush()`': [
    ['of a stored session', flushed, 'remove | none | delete | Cookie'],
    ['the status is 500', { ...flushed, status: 500 }, 'remove | none | delete | Cookie'],
    ['and data set after it', flushedAndSet, 'remove | insert | send | Cookie'],
    [
      'and data set after it, the status is 500',
      { ...flushedAndSet, status: 500 },
      'remove | none | none | Cookie',
    ],
    [
      'with two different session cookies',
      { ...flushed, isContested: true, hasRecordToRemove: false },
      '- | none | delete | Cookie',
    ],
  ],
  '`save()` in the handler': [
    ['of a new session', savedNew, '- | none | send | Cookie'],
    ['of a new session, the status is 500', { ...savedNew, status: 500 }, '- | none | send | Cookie'],
    ['of a stored session', { ...savedNew, hasKeyToSend: false }, '- | none | send | Cookie'],
    ['and a change after it', { ...savedNew, isUnsaved: true }, '- | replace | send | Cookie'],
  ],
  '`saveEveryRequest`': [
    ['session not used', due, '- | extend | send | Cookie'],
    ['not due yet (`touchAfter`), or `extend = false`', { ...read }, '- | none | none | Cookie'],
    ['session changed: the save extends it', { ...changed, ...due }, '- | replace | send | Cookie'],
    ['the status is 500', { ...due, status: 500 }, '- | none | none | -'],
    ['there is no session', { ...noSession, ...due }, '- | none | none | -'],
    ['`modified = false` on a new session', { ...read, ...due, isStored: false }, '- | none | none | Cookie'],
    [
      '`save()` in the handler has extended it, and then `modified = false`',
      { ...read, ...due, isWritten: true },
      '- | none | send | Cookie',
    ],
  ],
}

function short({ remove, save, cookie, vary }: Plan): string {
  return [remove ? 'remove' : '-', save, cookie, vary ? 'Cookie' : '-'].join(' | ')
}

describe.each(Object.entries(RULES))('the end of a request: %s', (_, rows) => {
  it.each(rows)('%s', (_, facts, plan) => {
    expect(short(planCommit({ ...UNTOUCHED, ...facts }))).toBe(plan)
  })
})

describe('for every combination of facts', () => {
  const names = Object.keys(UNTOUCHED).filter(name => name !== 'status')
  const all = function* (): Generator<Facts> {
    for (const status of [200, 500]) {
      for (let bits = 0; bits < 2 ** names.length; bits++) {
        yield Object.fromEntries([
          ['status', status],
          ...names.map((name, at) => [name, Boolean(bits & (1 << at))]),
        ]) as unknown as Facts
      }
    }
  }

  it('a logout is carried out, nothing is saved with a 500, and an empty session is never stored', () => {
    let count = 0
    for (const facts of all()) {
      const { remove, save, cookie, vary } = planCommit(facts)
      count++
      if (remove !== facts.hasRecordToRemove) expect.unreachable('a logout is carried out')
      if (facts.status === 500 && save !== 'none') expect.unreachable('nothing is saved with a 500')
      if (facts.isEmpty && (save !== 'none' || cookie === 'send')) expect.unreachable('nothing is stored')
      if (cookie === 'delete' && !(facts.isEmpty && facts.hasCookie)) expect.unreachable('only a dead cookie')
      if ((cookie !== 'none' || facts.wasRead) !== vary) expect.unreachable('Vary goes with both')
    }
    expect(count).toBe(2 ** (names.length + 1))
  })
})

it('is the table in docs/commit.md (to write it anew: `vitest run packages/core/test/plan.test.ts -u`)', async () => {
  const file = fileURLToPath(new URL('../../../docs/commit.md', import.meta.url))
  const page = readFileSync(file, 'utf8')
  const head = '| What happened | Remove | Save | Cookie | `Vary` |\n| --- | --- | --- | --- | --- |'
  const table = Object.entries(RULES)
    .map(([rule, rows]) => {
      const lines = rows.map(([what, , plan]) => `| ${what} | ${plan.replaceAll('none', '-')} |`)
      return `### ${rule}\n\n${head}\n${lines.join('\n')}\n`
    })
    .join('\n')
  const [before] = page.split('<!-- table -->')
  const [, after] = page.split('<!-- end of the table -->')
  const wanted = `${before}<!-- table -->\n\n${table}\n<!-- end of the table -->${after}`
  await expect(wanted).toMatchFileSnapshot(file)
})
