/** Rows under a heading, in columns that fit what is in them. Two spaces between. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const lines = [heading, ...rows]
  const widths = heading.map((_, at) => Math.max(...lines.map(row => width(row[at] ?? ''))))
  return lines.map(row =>
    row
      .map((cell, at) => cell + ' '.repeat(widths[at]! - width(cell)))
      .join('  ')
      .trimEnd(),
  )
}

const WIDE =
  /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u

/** Columns of a terminal that a text takes. */
function width(text: string): number {
  let columns = 0
  for (const char of text) if (!/\p{Mn}/u.test(char)) columns += WIDE.test(char) ? 2 : 1
  return columns
}
