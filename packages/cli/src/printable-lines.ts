import { printable } from '@sess/core/inspect'

/** `printable` for a text of several lines that we made ourselves, such as indented JSON. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}
