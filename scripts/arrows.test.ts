import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { violations } from './arrows.ts'

/** A workspace that follows the arrows; each case below adds one file that does not. */
const SOUND: Record<string, string> = {
  'packages/core/src/index.ts': "import { hash } from '#crypto'\nexport const id = hash",
  'packages/core/src/crypto-node.ts': "import { hash } from 'node:crypto'\nexport { hash }",
  'packages/core/src/crypto-web.ts': 'export const hash = () => crypto.subtle',
  'packages/core/test/index.test.ts': "import { cases } from '@sess/conformance'\nimport 'node:fs'\ncases()",
  'packages/conformance/src/index.ts': "import { id } from '@sess/core'\nexport const cases = () => id",
  'packages/node/src/index.ts': "import 'node:http'\nimport { id } from '@sess/core'\nexport const gate = id",
  'packages/express/src/index.ts':
    "import 'express'\nimport { gate } from '@sess/node'\nexport const session = gate",
  'packages/express/test/probe.ts': "import { fileStore } from '@sess/store-file'\nfileStore()",
  'packages/h3/src/index.ts': "import { id } from '@sess/core'\nexport const session = id",
  'packages/store-file/src/index.ts':
    "import 'node:fs'\nimport { id } from '@sess/core'\nexport const fileStore = () => id",
  'packages/store-cookie/src/index.ts':
    "import { id } from '@sess/core'\nexport const cookieStore = () => id",
}

const CASES: { rule: string; file: string; code: string }[] = [
  { rule: 'portable-code-imports-node', file: 'core/src/disk.ts', code: "import 'node:fs'" },
  { rule: 'portable-code-imports-node', file: 'core/src/disk.ts', code: "import 'fs/promises'" },
  {
    rule: 'portable-code-imports-node',
    file: 'core/src/disk.ts',
    code: "import type { Stats } from 'node:fs'",
  },
  { rule: 'portable-code-imports-node', file: 'core/src/disk.ts', code: "export * from 'node:buffer'" },
  { rule: 'portable-code-imports-node', file: 'core/src/disk.ts', code: "await import('node:crypto')" },
  {
    rule: 'portable-code-imports-node',
    file: 'core/src/disk.ts',
    code: "process.getBuiltinModule('node:crypto')",
  },
  { rule: 'portable-code-imports-node', file: 'h3/src/disk.ts', code: "import 'node:http'" },
  { rule: 'portable-code-imports-node', file: 'store-cookie/src/disk.ts', code: "import 'node:crypto'" },
  { rule: 'store-imports-framework', file: 'store-file/src/web.ts', code: "import 'express'" },
  { rule: 'store-imports-framework', file: 'store-file/src/web.ts', code: "import type { App } from 'h3'" },
  { rule: 'store-imports-framework', file: 'store-file/src/web.ts', code: "import '@sess/express'" },
  { rule: 'store-imports-framework', file: 'store-file/test/web.test.ts', code: "import '@sess/node'" },
  { rule: 'core-imports-package', file: 'core/src/gate.ts', code: "import '@sess/node'" },
  { rule: 'core-imports-package', file: 'core/src/gate.ts', code: "import type {} from '@sess/conformance'" },
  { rule: 'sideways', file: 'store-file/src/other.ts', code: "import '@sess/store-cookie'" },
  { rule: 'sideways', file: 'store-file/src/cases.ts', code: "import '@sess/conformance'" },
  { rule: 'sideways', file: 'h3/src/gate.ts', code: "import '@sess/node'" },
  { rule: 'sideways', file: 'node/src/session.ts', code: "import '@sess/express'" },
  { rule: 'sideways-adapter', file: 'express/src/other.ts', code: "import '@sess/h3'" },
  { rule: 'sideways-adapter', file: 'express/src/other.ts', code: "import '@sess/store-file'" },
  { rule: 'sideways-test', file: 'core/test/web.test.ts', code: "import '@sess/express'" },
  { rule: 'sideways-adapter-test', file: 'express/test/other.test.ts', code: "import '@sess/h3'" },
  {
    rule: 'into-another-package',
    file: 'express/src/private.ts',
    code: "import '../../core/src/index.ts'",
  },
  { rule: 're-export', file: 'express/src/all.ts', code: "export { id } from '@sess/core'" },
  { rule: 're-export', file: 'express/src/all.ts', code: "export * from '@sess/core'" },
  { rule: 're-export', file: 'express/src/all.ts', code: "export type * from '@sess/core'" },
  { rule: 'undeclared-dependency', file: 'express/src/more.ts', code: "import 'undeclared'" },
  { rule: 'unresolvable', file: 'express/src/more.ts', code: "import './nowhere.ts'" },
  { rule: 'src-imports-test', file: 'express/src/more.ts', code: "import '../test/probe.ts'" },
]

let base = ''
afterEach(() => rmSync(base, { recursive: true, force: true }))

function workspace(extra: Record<string, string> = {}): string {
  base = mkdtempSync(join(tmpdir(), 'sess-arrows-'))
  const files = { ...SOUND, ...extra }
  for (const name of new Set(Object.keys(SOUND).map(path => path.split('/')[1]!))) {
    const manifest = {
      name: `@sess/${name}`,
      type: 'module',
      exports: { '.': './src/index.ts' },
      ...(name === 'core' && {
        imports: { '#crypto': { node: './src/crypto-node.ts', default: './src/crypto-web.ts' } },
      }),
      ...(name === 'express' && { peerDependencies: { express: '5' } }),
    }
    files[`packages/${name}/package.json`] = JSON.stringify(manifest)
    mkdirSync(join(base, 'node_modules/@sess'), { recursive: true })
    symlinkSync(join(base, 'packages', name), join(base, 'node_modules/@sess', name))
  }
  for (const name of ['express', 'h3', 'undeclared']) {
    files[`node_modules/${name}/package.json`] = JSON.stringify({ name, main: 'index.js' })
    files[`node_modules/${name}/index.js`] = ''
  }
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(base, path)), { recursive: true })
    writeFileSync(join(base, path), text)
  }
  return base
}

describe('the rule of the arrows', () => {
  it('accepts a workspace that follows the design', async () => {
    expect(await violations(workspace())).toEqual([])
  })

  it.each(CASES)('$rule: refuses $code in $file', async ({ rule, file, code }) => {
    const found = await violations(workspace({ [`packages/${file}`]: code }))
    expect(found.filter(line => line.includes(` ${rule}. `))).toHaveLength(1)
    expect(found.filter(line => !line.startsWith(`packages/${file} -> `))).toEqual([])
  })

  it('circular: refuses files that need each other, unless for their types', async () => {
    const first = 'packages/express/src/first.ts'
    const second = { 'packages/express/src/second.ts': "import './first.ts'" }
    const found = await violations(workspace({ [first]: "import './second.ts'", ...second }))
    expect(found).toEqual([expect.stringContaining(' circular. ')])
    rmSync(base, { recursive: true })
    const types = await violations(workspace({ [first]: "import type {} from './second.ts'", ...second }))
    expect(types).toEqual([])
  })

  it('refuses to call a folder without imports sound', async () => {
    base = mkdtempSync(join(tmpdir(), 'sess-arrows-'))
    await expect(violations(base)).rejects.toThrow('no folder packages')
    mkdirSync(join(base, 'packages'))
    await expect(violations(base)).rejects.toThrow('No import was found')
  })
})
