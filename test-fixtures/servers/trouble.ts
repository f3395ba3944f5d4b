import type { CuttableProxy, FailKind, FailOptions } from '@sess/conformance'

/** Makes a server answer errors of its own: for the `fail` and `healBackend` of a store's factory. */
export interface Trouble {
  /** `false`: it has no error of this kind. */
  fail(kind: FailKind, options?: FailOptions): Promise<boolean>
  heal(): Promise<void>
  close(): Promise<void>
}

/** Real errors of a kind: how they begin. */
export type Troubles = Partial<Record<FailKind, () => Promise<unknown>>>

/** `after` counts what clients send through the proxy. */
export function troubleWith(
  troubles: Troubles,
  proxy: Pick<CuttableProxy, 'beforePiece' | 'mend'>,
  end: () => Promise<unknown>,
): Pick<Trouble, 'fail' | 'heal'> {
  let beginning: Promise<unknown> | undefined
  return {
    async fail(kind, { after = 0 } = {}) {
      const trouble = troubles[kind]
      if (!trouble) return false
      const begin = async () => void (await (beginning = trouble()))
      if (after === 0) await begin()
      else proxy.beforePiece(after + 1, begin)
      return true
    },
    async heal() {
      proxy.mend()
      await beginning
      await end()
    },
  }
}
