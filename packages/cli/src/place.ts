import { statSync } from 'node:fs'

/**
 * What is at a path. A path that may not be looked at is an error (EACCES), and not "nothing".
 */
export function whatIsAt(path: string): 'nothing' | 'folder' | 'file' {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) return 'nothing'
  return found.isDirectory() ? 'folder' : 'file'
}
