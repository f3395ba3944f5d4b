import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const folder = join(import.meta.dirname, '..')

it('the README of @sess/express-session names the versions that these tests use', () => {
  const readme = readFileSync(join(folder, '../../packages/express-session/README.md'), 'utf8')
  const [, section = ''] = /^## Packages that were tried\n(.*?)^## /ms.exec(readme)!
  const rows = [...section.matchAll(/^\| (`.+?) \| ([\d., ]+) \|/gm)]
  const named = rows.flatMap(([, names = '', versions = '']) =>
    names.split(', ').map((name, n) => [name.replaceAll('`', ''), versions.split(', ')[n]]),
  )
  expect(named.length).toBeGreaterThan(15)
  const used = named.map(([name]) => {
    const manifest = readFileSync(join(folder, 'node_modules', name!, 'package.json'), 'utf8')
    return [name, JSON.parse(manifest).version]
  })
  expect(named).toEqual(used)
})
