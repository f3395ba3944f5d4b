import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { run } from './run.ts'
import { root } from './workspace.ts'

/** Each of these files breaks the rule after it, and no other. (One file may stand here twice.) */
const WRONG: [file: string, code: string, rule: string][] = [
  ['core/src/disk.ts', "import type { Stats } from 'node:fs'", 'portable-code-imports-node'],
  ['core/src/hash.ts', "process.getBuiltinModule('node:crypto')", 'portable-code-imports-node'],
  ['store-cookie/src/disk.ts', "await import('fs/promises')", 'portable-code-imports-node'],
  ['h3/src/web.ts', "import 'node:http'", 'portable-code-imports-node'],
  ['store-file/src/web.ts', "import 'h3'", 'store-imports-framework'],
  ['store-file/src/web.ts', "import 'h3'", 'undeclared-dependency'],
  ['store-file/test/web.test.ts', "import '@sess/express'", 'store-imports-framework'],
  ['store-file/test/web.test.ts', "import '@sess/express'", 'sideways-test'],
  ['core/src/gate.ts', "import type {} from '@sess/conformance'", 'sideways'],
  ['store-file/src/other.ts', "import '@sess/store-cookie'", 'sideways'],
  ['h3/src/gate.ts', "import '@sess/express'", 'sideways'],
  ['express/src/other.ts', "import '@sess/store-file'", 'sideways-adapter'],
  ['cli/src/web.ts', "import '@sess/express'", 'sideways-cli'],
  ['hono/src/other.ts', "import '@sess/store-file'", 'sideways-fetch-adapter'],
  ['core/test/web.test.ts', "import '@sess/express'", 'sideways-test'],
  ['express/src/private.ts', "import '../../core/src/index.ts'", 'into-another-package'],
  ['express/src/all.ts', "export type * from '@sess/core'", 're-export'],
  ['express/src/more.ts', "import 'undeclared'", 'undeclared-dependency'],
  ['express/src/lost.ts', "import './nowhere.ts'", 'unresolvable'],
  ['express/src/test.ts', "import '../test/probe.ts'", 'src-imports-test'],
  ['node/src/first.ts', "import './second.ts'", 'circular'],
]

const RIGHT: Record<string, string> = {
  'core/src/index.ts': "import { hash } from '#crypto'\nexport const id = hash",
  'core/src/crypto-node.ts': "import { hash } from 'node:crypto'\nexport { hash }",
  'core/src/crypto-web.ts': 'export const hash = () => crypto.subtle',
  'core/test/index.test.ts': "import '@sess/conformance'\nimport 'node:fs'",
  'conformance/src/index.ts': "import '@sess/core'",
  'node/src/index.ts': "import 'node:http'\nimport '@sess/core'",
  'node/src/second.ts': "import type {} from './first.ts'\nimport './first.ts'",
  'node/src/third.ts': "import type {} from './index.ts'",
  'express/src/index.ts': "import 'express'\nimport '@sess/node'",
  'express/test/probe.ts': "import '@sess/store-file'\nimport '@sess/node'",
  'cli/src/index.ts': "import '@sess/core'\nimport '@sess/store-file'",
  'h3/src/index.ts': "import '@sess/core'",
  'fetch/src/index.ts': "import '@sess/core'",
  'hono/src/index.ts': "import '@sess/fetch'",
  'store-file/src/index.ts': "import 'node:fs'\nimport '@sess/core'",
  'store-cookie/src/index.ts': "import '@sess/core'",
}

test('every rule of the arrows is broken by its wrong file, and by no right one', async () => {
  const base = mkdtempSync(join(tmpdir(), 'sess-arrows-'))
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(base, path)), { recursive: true })
    writeFileSync(join(base, path), text)
  }
  try {
    for (const name of new Set(Object.keys(RIGHT).map(path => path.split('/')[0]!))) {
      const crypto = { node: './src/crypto-node.ts', default: './src/crypto-web.ts' }
      const manifest = {
        name: `@sess/${name}`,
        exports: { '.': './src/index.ts' },
        ...(name === 'core' && { imports: { '#crypto': crypto } }),
        ...(name === 'express' && { peerDependencies: { express: '5' } }),
      }
      write(`packages/${name}/package.json`, JSON.stringify(manifest))
      mkdirSync(join(base, 'node_modules/@sess'), { recursive: true })
      symlinkSync(join(base, 'packages', name), join(base, 'node_modules/@sess', name))
    }
    for (const name of ['express', 'h3', 'undeclared']) {
      write(`node_modules/${name}/package.json`, JSON.stringify({ name, main: 'index.js' }))
      write(`node_modules/${name}/index.js`, '')
    }
    for (const [path, text] of [...Object.entries(RIGHT), ...WRONG]) write(`packages/${path}`, text)
    const config = join(root, '.dependency-cruiser.mjs')
    const { output } = await run(
      join(root, 'node_modules/.bin/depcruise'),
      ['packages', '--config', config, '--output-type', 'json'],
      { cwd: base },
    )
    const { violations } = JSON.parse(output).summary as {
      violations: { from: string; rule: { name: string } }[]
    }
    const found = violations.map(({ from, rule }) => `${from.replace('packages/', '')}: ${rule.name}`)
    const expected = WRONG.map(([file, , rule]) => `${file}: ${rule}`)
    expect(new Set(found)).toEqual(new Set(expected))
  } finally {
    rmSync(base, { recursive: true, force: true })
  }
})
