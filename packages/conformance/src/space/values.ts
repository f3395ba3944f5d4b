import type { Value } from './dimensions.ts'

/** Texts that mean something to a language, a query, a path or a pattern. Every one of them is only text. */
export const TEXTS: readonly Value<string>[] = [
  { name: 'plain', is: 'plain' },
  { name: 'patterns', is: "$& $1 $$ $` $' \\1 {0} {} %s" },
  { name: 'names', is: '__proto__ constructor toString hasOwnProperty' },
  { name: 'query', is: `' OR 1=1 -- " ; \\ % _ * ? .* [a-z] (x|y)+ ^$` },
  { name: 'path', is: '../../x/./..\\C:\\nul %2e%2e%2f' },
  { name: 'markup', is: '<!-- ]]> &amp; {{x}} $\u007bx} <%= x %>' },
  { name: 'controls', is: '\u0001\t\r\n\u001b\u007f\u0085\u2028\u2029\ufeff' },
  { name: 'two-bytes', is: 'éßñüøαβγ' },
  { name: 'three-bytes', is: '日本語한국어' },
  { name: 'four-bytes', is: '😀𝒳🇪🇺' },
  { name: 'composed', is: 'e\u0301é\u1100\u1161가\u212b\u00c5' },
  { name: 'json', is: '{"b":1.0,"a":1e2,"b":[ ] ,"":"\\u0041"}' },
]

/** Names that somebody's user may have, and that are special to somebody's database, each with one that is not it. */
export const SUBJECTS: readonly Value<{ subject: string; others: readonly string[] }>[] = [
  { name: 'plain', is: { subject: 'ann', others: ['anna', 'an', 'Ann'] } },
  { name: 'constructor', is: { subject: 'constructor', others: ['prototype'] } },
  { name: 'proto', is: { subject: '__proto__', others: ['proto'] } },
  { name: 'to-string', is: { subject: 'toString', others: ['valueOf', 'hasOwnProperty'] } },
  { name: 'any-character', is: { subject: 'a.b', others: ['axb', 'a.c'] } },
  { name: 'pattern', is: { subject: 'a+(b)[c]*', others: ['aab', 'aabc', 'a'] } },
  { name: 'like', is: { subject: 'a%b_c', others: ['axxbxc', 'a%bxc'] } },
  { name: 'replacement', is: { subject: "$&$1$$$'", others: ['$', '$$'] } },
  { name: 'list', is: { subject: 'a,b', others: ['a', 'b', 'b,a'] } },
  { name: 'field', is: { subject: '$where', others: ['where', '$ne'] } },
  { name: 'dot', is: { subject: '.', others: ['..', './.', '...'] } },
  { name: 'dots', is: { subject: '..', others: ['.', '../..', 'ann'] } },
  { name: 'path', is: { subject: 'a/../b', others: ['b', 'a', 'a/b'] } },
  { name: 'escaped', is: { subject: 'a%2Fb', others: ['a/b', 'a%252Fb'] } },
  { name: 'address', is: { subject: 'a#1', others: ['a#2', 'a', 'a?1', 'a/#1'] } },
  { name: 'asked', is: { subject: 'a?b=1&c;d', others: ['a?b=2', 'a?b=1', 'a'] } },
  { name: 'number', is: { subject: '1e3', others: ['1000', '01e3', '1E3'] } },
  { name: 'nothing', is: { subject: 'null', others: ['undefined', 'false', '0', 'NaN'] } },
  { name: 'equal-hashes', is: { subject: 'AaAaAa', others: ['BBBBBB', 'AaAaBB', 'AaBBBB'] } },
  { name: 'quotes', is: { subject: `'"\`\\`, others: [`'`, '"', '\\'] } },
  { name: 'braces', is: { subject: '{ann}', others: ['ann', '{ann', '{}'] } },
  { name: 'blank', is: { subject: ' ', others: ['  ', '\t', '\u00a0'] } },
  { name: 'wide', is: { subject: '😀é日', others: ['😀e\u0301日', '😁é日'] } },
  { name: 'longest', is: { subject: '字'.repeat(255), others: ['字'.repeat(254)] } },
]

const DAY = 86_400_000

/** Lives in milliseconds at which somebody's clock, timer or column does something else. */
export const LIVES: readonly Value<(now: number) => number>[] = [
  { name: 'hour', is: now => now + 3_600_000 },
  { name: 'odd', is: now => now + 90_061_001 },
  // 2^31 - 1 ms: the longest a timer can wait.
  { name: 'timer', is: now => now + 2_147_483_647 },
  { name: 'over-timer', is: now => now + 2_147_483_648 },
  // memcached takes more seconds than these for a date.
  { name: 'thirty-days', is: now => now + 30 * DAY },
  { name: 'over-thirty-days', is: now => now + 30 * DAY + 1_000 },
  { name: 'year', is: now => now + 400 * DAY },
  { name: 'after-2038', is: () => Date.UTC(2038, 0, 19, 3, 14, 8, 7) },
  { name: 'after-2106', is: () => Date.UTC(2106, 1, 7, 6, 28, 16, 1) },
  { name: 'year-9999', is: () => 253_402_300_799_000 },
  // The hour from one to two that happens twice, in New York; the second time.
  { name: 'twice', is: now => nextFall(now) + 5_400_000 },
]

/** When clocks go back in New York: the first Sunday of November, 05:00 UTC is the first 01:00. */
export function nextFall(now: number): number {
  for (let year = new Date(now).getUTCFullYear(); ; year++) {
    const first = Date.UTC(year, 10, 1, 5)
    const fall = first + ((7 - new Date(first).getUTCDay()) % 7) * DAY
    if (fall > now) return fall
  }
}

/** Places where somebody's buffer, page, row or item ends, in UTF-16 units or bytes. */
export const SIZES: readonly Value<number>[] = [
  { name: 'tiny', is: 1 },
  { name: 'row', is: 256 },
  { name: 'thousand', is: 1_000 },
  { name: 'page', is: 4_096 },
  { name: 'page-8k', is: 8_192 },
  { name: 'stream-16k', is: 16_384 },
  { name: 'chunk-32k', is: 32_768 },
  { name: 'text-64k', is: 65_536 },
  { name: 'item-400k', is: 409_600 },
  { name: 'max', is: 1_048_576 },
]

/** Above the 32 KiB that deflate looks back, so that text made of it again and again does not compress either. */
const BLOCK = 70_000
const blocks = new Map<string, string>()

/**
 * Text of exactly `size` bytes of UTF-8 that holds `pattern` again and again and that no compression makes small. What
 * stands at a given byte moves with `shift`.
 */
export function textOf(pattern: string, size: number, shift: number): string {
  const block = blocks.get(pattern) ?? blockOf(pattern)
  blocks.set(pattern, block)
  const unit = utf8Length(block)
  const lead = 'x'.repeat(Math.min(shift, size - 1))
  const whole = Math.floor((size - lead.length) / unit)
  const rest = new Uint8Array(size - lead.length - whole * unit)
  // Whole characters only, as many as there is room for.
  const { read, written } = new TextEncoder().encodeInto(block, rest)
  return lead + block.repeat(whole) + block.slice(0, read) + 'y'.repeat(rest.length - written)
}

function blockOf(pattern: string): string {
  const parts: string[] = []
  const own = utf8Length(pattern) + 8
  let state = own
  for (let bytes = 0; bytes < BLOCK; bytes += own) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    parts.push(state.toString(36).padStart(8, '0').slice(-8), pattern)
  }
  return parts.join('')
}

export function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length
}
