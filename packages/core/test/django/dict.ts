import { keyText, spell, toJavaScript } from './values.ts'

/** Where a session keeps its expiry. */
export const EXPIRY = '_session_expiry'

/** A Python dict with the values of the recordings. 1 and True are one key, 1 and "1" are two. */
export class Dict {
  readonly #items = new Map<string, [key: any, value: any]>()

  static of(object: Record<string, any>): Dict {
    const dict = new Dict()
    for (const [key, value] of Object.entries(object)) dict.set(key, value)
    return dict
  }

  get size(): number {
    return this.#items.size
  }

  has(key: any): boolean {
    return this.#items.has(identity(key))
  }

  get(key: any): any {
    return this.#items.get(identity(key))?.[1]
  }

  set(key: any, value: any): void {
    const item = this.#items.get(identity(key))
    if (item) item[1] = value
    else this.#items.set(identity(key), [key, value])
  }

  delete(key: any): void {
    this.#items.delete(identity(key))
  }

  entries(): [key: any, value: any][] {
    return [...this.#items.values()].map(([key, value]) => [key, value])
  }

  /** A copy that shares nothing: what pickling leaves. */
  copy(): Dict {
    const dict = new Dict()
    for (const [key, value] of this.entries()) dict.set(structuredClone(key), structuredClone(value))
    return dict
  }

  /** What JSON leaves. */
  reloaded(): Dict {
    const dict = new Dict()
    for (const [key, value] of this.entries()) dict.set(keyText(key), structuredClone(value))
    return dict
  }

  spell(zone: string | undefined): any {
    const entries = this.entries()
    if (entries.every(([key]) => typeof key === 'string')) return spell(Object.fromEntries(entries), zone)
    return spell({ $map: entries }, zone)
  }
}

/** What makes two keys one. */
export function identity(key: any): string {
  const plain = toJavaScript(key)
  return plain === null || typeof plain === 'string' ? JSON.stringify(plain) : String(Number(plain))
}
