import { SessionStoreError } from '@sess/core'

/**
 * The error for an `import()` of a driver that failed. If the package, or one it needs, is not installed, it says what
 * to install; any other error stays as it is.
 *
 * The import itself must stand in a `try` block, with the package's name as text: then bundlers include the driver
 * where it is installed, and build an application for another database without it.
 */
export function driverError(name: string, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException
  // `import` has the first, `require` (of the CommonJS build, of drivers and of webpack) the second, Vite no code.
  const isMissing =
    code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND' || /^Could not resolve "/.test(message)
  if (!isMissing) return error
  return new SessionStoreError(
    `A URL needs the package ${name}, which is not installed. Run \`npm install ${name}\`.`,
    { cause: error },
  )
}
