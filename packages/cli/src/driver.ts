import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Failure, MISUSED } from './failure.ts'

/**
 * Imports a database driver: the one of the project in `folder`, and otherwise our own peer dependency. So `npx` in a
 * project uses the driver that its servers use.
 */
export async function importDriver<T>(name: string, folder: string, packageName = name): Promise<T> {
  let path: string | undefined
  for (const from of [pathToFileURL(join(folder, 'package.json')).href, import.meta.url]) {
    try {
      path = createRequire(from).resolve(name)
      break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error
    }
  }
  if (path === undefined) {
    throw new Failure(
      MISUSED,
      `This store needs the package ${packageName}, which is not installed here. Run \`npm install ${packageName}\`.`,
    )
  }
  const module = (await import(pathToFileURL(path).href)) as T & { default?: T }
  return module.default ?? module
}
