// `npm start` installs the demo's own dependencies, and not the tools, servers' clients and browsers of the tests.
import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { root } from './workspace.ts'

interface Manifest {
  name: string
  scripts?: Record<string, string>
  dependencies?: Record<string, string>
}

const manifestOf = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))

/** Where Node finds a package that another one depends on; `undefined` for an optional one. */
function folderOf(name: string, from: string): string | undefined {
  for (let folder = from; folder !== dirname(folder); folder = dirname(folder)) {
    try {
      return realpathSync(join(folder, 'node_modules', name))
    } catch {
      // Not here: one folder up.
    }
  }
  return undefined
}

/** A package and all that it needs to run, by folder. */
function closure(folder: string, found = new Set<string>()): Set<string> {
  if (found.has(folder)) return found
  found.add(folder)
  for (const name of Object.keys(manifestOf(folder).dependencies ?? {})) {
    const place = folderOf(name, folder)
    if (place) closure(place, found)
  }
  return found
}

it('npm start installs the production dependencies of the shop, which take less than 30 MB', () => {
  expect(manifestOf(root).scripts?.['start']).toContain('bootstrap.mjs --only ')
  const folders = [...closure(join(root, 'examples/shop'))].filter(folder => folder.includes('node_modules'))
  const names = folders.map(folder => manifestOf(folder).name)
  expect(names).toContain('express')
  for (const tool of ['vitest', 'typescript', 'playwright-core', 'esbuild']) expect(names).not.toContain(tool)
  const bytes = folders.flatMap(folder =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(entry => statSync(join(entry.parentPath, entry.name)).size),
  )
  const total = bytes.reduce((sum, size) => sum + size, 0)
  expect(total).toBeGreaterThan(1_000_000)
  expect(total).toBeLessThan(30_000_000)
})
