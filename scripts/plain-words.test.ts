import { expect, it } from 'vitest'
import { inProse } from './plain-words.ts'

const found = (text: string): string[] => inProse(text, 'page.md').map(({ line, what }) => `${line} ${what}`)

it.each([
  ['Removes a key; answers whether it was there.', '1 "answers": returns, sends, responds'],
  ['One.\nThe save is refused by the store.', '2 "refused": rejects, throws, fails'],
  ['Whoever sends no cookie waits.', '1 "Whoever": who, a caller that, if somebody'],
  ['One at a time, for nobody could tell.', '1 "for nobody ": because'],
  [`It ${'is long and '.repeat(14)}it ends.`, '1 a sentence of 45 words'],
])('finds what readers stumble over: %s', (text, finding) => {
  expect(found(text)).toContain(finding)
})

it.each([
  'Removes a key. Returns true if it existed.',
  'The server says ECONNREFUSED: connection refused.',
  'The field `answers` is a list, and "whoever" is quoted.',
  'There is one store for each of them, for example Redis.',
  `- ${'a list of words '.repeat(5)}\n- ${'another list of words '.repeat(5)}`,
])('leaves plain prose alone: %s', text => {
  expect(found(text)).toEqual([])
})
