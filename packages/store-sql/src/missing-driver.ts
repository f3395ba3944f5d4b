import { SessionStoreError } from '@sess/core'

/**
 * Returns the error for a failed `import()` of a driver. If the package is not installed, the error says what to install.
 * Any other error is returned as it is.
 *
 * The import must be in a `try` block, with the package's name as a literal. Then bundlers include the driver if it is
 * installed, and otherwise build the application without it.
 */
export function driverError(name: string, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException
  // `import` has the first code, `require` (in the CommonJS build, in drivers and webpack) the second, Vite none.
  const isMissing =
    code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND' || /^Could not resolve "/.test(message)
  if (!isMissing) return error
  return new SessionStoreError(
    `A URL needs the package ${name}, which is not installed. Run \`npm install ${name}\`.`,
    { cause: error },
  )
}
