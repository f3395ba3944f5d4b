import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { type Facts, type Plan, planCommit } from '../src/plan.ts'

/** A request that came with the cookie of a stored session, read it or did not, and succeeded. */
const UNTOUCHED: Facts = {
  status: 200,
  hasCookie: true,
  isContested: false,
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

const changed: Partial<Facts> = { isModified: true, isUnsaved: true }
/** What `save()` in the handler leaves: it stored a new session, whose key the browser does not know. */
const savedNew: Partial<Facts> = { isModified: true, isWritten: true, hasKeyToSend: true }
const noCookie: Partial<Facts> = { isEmpty: true, isStored: false, hasCookie: false }
/** Its key counts as one until the data is accessed. */
const deadCookie: Partial<Facts> = { isStored: false }
const deadAndAccessed: Partial<Facts> = { isEmpty: true, isStored: false }
/** It is no key, and that is known at once. */
const malformed: Partial<Facts> = deadAndAccessed
const flushed: Partial<Facts> = {
  isModified: true,
  isUnsaved: true,
  isEmpty: true,
  isStored: false,
  wasFlushed: true,
  hasRecordToRemove: true,
}
const flushedAndSet: Partial<Facts> = { ...flushed, isEmpty: false }
const superseded: Partial<Facts> = { isEmpty: true, isOnMarker: true }
const due: Partial<Facts> = { isExtensionDue: true }

type Row = [what: string, facts: Partial<Facts>, plan: string]

/** Rule by rule: what happened in the request, and `remove? | save | cookie` in short. */
const RULES: Record<string, Row[]> = {
  'Nothing was changed': [
    ['no cookie', noCookie, '- | none | none'],
    ['a stored session, used or not', {}, '- | none | none'],
    ['another request has rotated the key', superseded, '- | none | none'],
  ],
  'Nothing was changed, and the cookie leads to no session': [
    ['dead cookie, and nothing accesses the data', deadCookie, '- | none | none'],
    ['dead cookie, and the handler accesses the data', deadAndAccessed, '- | none | delete'],
    ['the same, and the status is 500', { ...deadAndAccessed, status: 500 }, '- | none | delete'],
    ['malformed cookie, accessed or not', malformed, '- | none | delete'],
    ['contested cookies, accessed or not', { ...malformed, isContested: true }, '- | none | none'],
  ],
  'Something was changed': [
    ['a new session', { ...changed, hasCookie: false, isStored: false }, '- | insert | send'],
    ['a stored session, or `clear()`', changed, '- | replace | send'],
    ['a nested mutation: `modified` stays false', { ...changed, isModified: false }, '- | replace | send'],
    ['`modified = false` after a change', {}, '- | none | none'],
    ['the status is 500 or more', { ...changed, status: 500 }, '- | none | none'],
    ['a status below 500, a 404 say', { ...changed, status: 404 }, '- | replace | send'],
    ['another request has rotated the key: 400', { ...changed, isOnMarker: true }, '- | reject | none'],
  ],
  '`cycleKey()`': [
    ['of a stored session', { ...changed, isStored: false, isRotating: true }, '- | rotate | send'],
    ['of a new session', { ...changed, isStored: false }, '- | insert | send'],
    [
      'the status is 500: the old key stays',
      { ...changed, isStored: false, isRotating: true, status: 500 },
      '- | none | none',
    ],
    [
      'after another request has rotated the key: a session of its own',
      { ...changed, isStored: false },
      '- | insert | send',
    ],
  ],
  '`flush()`': [
    ['of a stored session', flushed, 'remove | none | delete'],
    ['the status is 500', { ...flushed, status: 500 }, 'remove | none | delete'],
    [
      'after another request has rotated the key (the session under the new key ends)',
      flushed,
      'remove | none | delete',
    ],
    ['and data set after it', flushedAndSet, 'remove | insert | send'],
    ['and data set after it, the status is 500', { ...flushedAndSet, status: 500 }, 'remove | none | none'],
    [
      'with contested cookies',
      { ...flushed, isContested: true, hasRecordToRemove: false },
      '- | none | delete',
    ],
  ],
  '`save()` in the handler': [
    ['of a new session', savedNew, '- | none | send'],
    ['of a new session, the status is 500', { ...savedNew, status: 500 }, '- | none | send'],
    ['of a stored session that was changed', { ...savedNew, hasKeyToSend: false }, '- | none | send'],
    [
      'of a nested mutation: `modified` is true afterwards',
      { ...savedNew, hasKeyToSend: false },
      '- | none | send',
    ],
    [
      'of a stored session that was not changed',
      { ...savedNew, hasKeyToSend: false, isModified: false },
      '- | none | none',
    ],
    ['and a change after it', { ...savedNew, isUnsaved: true }, '- | replace | send'],
  ],
  '`saveEveryRequest`': [
    ['a stored session, used or not', due, '- | extend | send'],
    ['not due yet (`touchAfter`), or `extend = false`', {}, '- | none | none'],
    ['session changed: the save extends it', { ...changed, ...due }, '- | replace | send'],
    ['the status is 500', { ...due, status: 500 }, '- | none | none'],
    ['no cookie', { ...noCookie, ...due }, '- | none | none'],
    [
      'dead cookie, accessed or not, in a request that counts as activity',
      deadAndAccessed,
      '- | none | delete',
    ],
    ['a new session, and then `modified = false`', { ...due, isStored: false }, '- | none | none'],
    [
      '`save()` in the handler has extended it, and then `modified = false`',
      { ...due, isWritten: true },
      '- | none | send',
    ],
  ],
}

function short({ remove, save, cookie }: Plan): string {
  return [remove ? 'remove' : '-', save, cookie].join(' | ')
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
      const { remove, save, cookie } = planCommit(facts)
      count++
      if (remove !== facts.hasRecordToRemove) expect.unreachable('a logout is carried out')
      if (facts.status === 500 && save !== 'none') expect.unreachable('nothing is saved with a 500')
      if (facts.isEmpty && (save !== 'none' || cookie === 'send')) expect.unreachable('nothing is stored')
      if (cookie === 'delete' && !(facts.isEmpty && facts.hasCookie)) expect.unreachable('only a dead cookie')
    }
    expect(count).toBe(2 ** (names.length + 1))
  })
})

it('is the table in docs/commit.md (to write it anew: `vitest run packages/core/test/plan.test.ts -u`)', async () => {
  const file = fileURLToPath(new URL('../../../docs/commit.md', import.meta.url))
  const page = readFileSync(file, 'utf8')
  const head = '| What happened | Remove | Save | Cookie |\n| --- | --- | --- | --- |'
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
