import { printable } from '@sess/core/inspect'

/** Markup that needs no escaping any more. Only `html` makes it. */
export class Html {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  toString(): string {
    return this.#text
  }
}

export type Piece = Html | string | number | false | undefined | readonly Piece[]

/**
 * A template whose every `${value}` is escaped, as text and as a quoted attribute. Characters that are not printable, such as
 * marks that turn the direction of writing, are shown as `\u202e`. `false` and `undefined` are empty.
 */
export function html(strings: TemplateStringsArray, ...pieces: Piece[]): Html {
  return new Html(String.raw({ raw: strings }, ...pieces.map(render)))
}

function render(piece: Piece): string {
  if (piece === false || piece === undefined) return ''
  if (piece instanceof Html) return piece.toString()
  if (typeof piece === 'object') return piece.map(render).join('')
  return printable(String(piece)).replace(/[&<>"'`]/g, character => `&#${character.charCodeAt(0)};`)
}
