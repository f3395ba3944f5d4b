import { SessionStoreError } from '@sess/core'

/**
 * The driver that `load` imports: by a literal name at the call, so that bundlers see it.
 *
 * @throws SessionStoreError when the package, or one it needs, is not installed; the `cause` names which.
 */
export async function installed<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // `import` says the one, `require` (of the CommonJS build, and of drivers themselves) the other.
    if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') throw error
    throw new SessionStoreError(
      `A URL needs the package ${name}, which is not installed. Run \`npm install ${name}\`.`,
      { cause: error },
    )
  }
}
