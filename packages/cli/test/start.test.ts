import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

/** The packages that a file of ours imports at once, itself and through others of ours. `import()` is not at once. */
function imported(file: URL, seen = new Set<string>()): Set<string> {
  const packages = new Set<string>()
  if (seen.has(file.href)) return packages
  seen.add(file.href)
  for (const [, name = ''] of readFileSync(file, 'utf8').matchAll(
    /^import (?!type )(?:[^'"]*? from )?'([^']+)'/gm,
  )) {
    if (!name.startsWith('.')) packages.add(name)
    else if (name.endsWith('.ts')) for (const each of imported(new URL(name, file), seen)) packages.add(each)
  }
  return packages
}

// Core and the stores cost 50 to 300 ms. A command imports what it needs when it runs.
test('sess --version and --help load the parser of the command line, and nothing else', () => {
  const packages = imported(new URL('../src/cli.ts', import.meta.url))
  expect([...packages].filter(name => !name.startsWith('node:'))).toEqual(['commander'])
})
