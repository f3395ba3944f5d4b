// Control characters could move the cursor of a terminal, bidirectional marks could make an id look like another, and a line
// separator could end a line. Session data and subjects come from visitors.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/**
 * A text that visitors may have chosen, safe to show: what is not printable is escaped, as `\u202e`.
 *
 * @example
 * printable('a\u202eb') // 'a\\u202eb'
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, char => {
    const hex = char.codePointAt(0)!.toString(16)
    return hex.length > 4 ? `\\u{${hex}}` : `\\u${hex.padStart(4, '0')}`
  })
}
