const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:=+/ \n\0é'

/** Tokens that are not `token`, without end: characters changed, added and lost, pieces moved, two tokens spliced. */
export function* alterations(
  token: string,
  other: string,
  random: (below: number) => number,
): Generator<string> {
  for (;;) {
    const at = random(token.length)
    const to = random(token.length + 1)
    const char = ALPHABET[random(ALPHABET.length)] as string
    const bit = String.fromCharCode(token.charCodeAt(at) ^ (1 << random(7)))
    for (const altered of [
      token.slice(0, at) + bit + token.slice(at + 1),
      token.slice(0, at) + char + token.slice(at + 1),
      token.slice(0, at) + char + token.slice(at),
      token.slice(0, at) + token.slice(at + 1),
      token.slice(0, at) + token.slice(to),
      token.slice(at) + token.slice(0, at),
      token.slice(0, at) + other.slice(at),
      other.slice(0, at) + token.slice(at),
      token.slice(0, at) + char + token.slice(at + 1, to) + bit + token.slice(to),
    ]) {
      if (altered !== token && altered !== other) yield altered
    }
  }
}
