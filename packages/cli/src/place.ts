import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'

/**
 * What is at a path. A path that may not be looked at is an error (EACCES), and not "nothing".
 */
export function whatIsAt(path: string): 'nothing' | 'folder' | 'file' {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) return 'nothing'
  return found.isDirectory() ? 'folder' : 'file'
}

/** The option and its value for a text that looks like a store: a URL, a module, or the name of a file or folder. */
export function storeOptionFor(text: string, cwd: string): [option: string, value: string] | undefined {
  if (/\.[cm]?[jt]s$/.test(text)) return ['--config', text]
  if (/^[a-z]+:/i.test(text)) return ['--store', text]
  const path = resolve(cwd, text)
  if (existsSync(path)) return ['--store', `${whatIsAt(path) === 'folder' ? 'file' : 'sqlite'}:${text}`]
  return /\.(db|sqlite3?)$/i.test(text) ? ['--store', `sqlite:${text}`] : undefined
}
