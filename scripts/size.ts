// Bundles, minifies and gzips what a user would ship, and fails when it has grown past its limit.
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type BuildOptions, build, type Metafile } from 'esbuild'
import { readManifest, root } from './workspace.ts'

// Tripwires, not goals (docs/design.md#quality): nothing is made harder to read for bytes.
const KIB = 1024
const LIMITS: { what: string; bytes: number; options: BuildOptions }[] = [
  {
    what: 'core, any platform',
    bytes: 16 * KIB,
    options: bundleOf(['core'], { platform: 'neutral', mainFields: ['module', 'main'] }),
  },
  { what: 'core, Node', bytes: 16 * KIB, options: bundleOf(['core'], { platform: 'node' }) },
  {
    what: 'core + node + express',
    bytes: 20 * KIB,
    options: bundleOf(['core', 'node', 'express'], { platform: 'node', external: ['express'] }),
  },
]
const MAX_CORE_DEPENDENCIES = 1

let tooLarge = 0
for (const { what, bytes, options } of LIMITS) {
  const { outputFiles, metafile } = await build({ ...options, metafile: true })
  const size = gzipSync(outputFiles![0]!.contents, { level: 9 }).length
  console.log(`${what.padEnd(24)} ${String(size).padStart(6)} of ${bytes} bytes`)
  if (size > bytes) {
    tooLarge++
    console.log(`  TOO LARGE; minified, before gzip:\n${parts(metafile)}`)
  }
}

const dependencies = Object.keys(readManifest(join(root, 'packages/core')).dependencies ?? {})
console.log(`core's dependencies      ${dependencies.join(', ') || 'none'}`)
if (dependencies.length > MAX_CORE_DEPENDENCIES) {
  console.log(`Core may have ${MAX_CORE_DEPENDENCIES}: see docs/decisions before adding one.`)
  tooLarge++
}
process.exitCode = tooLarge === 0 ? 0 : 1

function bundleOf(packages: string[], options: BuildOptions): BuildOptions {
  return {
    stdin: {
      contents: packages.map(name => `export * from '@sess/${name}'`).join('\n'),
      resolveDir: join(root, 'packages', packages.at(-1)!),
    },
    alias: {
      ...Object.fromEntries(
        packages.map(name => [`@sess/${name}`, join(root, 'packages', name, 'src/index.ts')]),
      ),
      '@sess/core/adapter': join(root, 'packages/core/src/adapter.ts'),
    },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: 'es2023',
    legalComments: 'none',
    ...options,
  }
}

function parts(metafile: Metafile): string {
  return Object.values(metafile.outputs)
    .flatMap(output => Object.entries(output.inputs))
    .map(([file, { bytesInOutput }]) => ({ file, bytes: bytesInOutput }))
    .sort((a, b) => b.bytes - a.bytes)
    .map(({ file, bytes }) => `  ${String(bytes).padStart(8)} ${file.replace(/^.*node_modules\//, '')}`)
    .join('\n')
}
