import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { run } from './run.ts'
import { type Package, root } from './workspace.ts'

const tsc = join(root, 'node_modules/typescript-native/bin/tsc')

/**
 * Writes the declarations of the packages into their `dist`: one file for each source, and a copy for CommonJS. The native
 * compiler makes those of all packages in two seconds. Bundled by package they took a hundred.
 */
export async function writeDeclarations(packages: Package[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'declarations-'))
  try {
    const { code, output } = await run(tsc, [
      '-p',
      join(root, 'tsconfig.declarations.json'),
      '--outDir',
      folder,
    ])
    if (code !== 0) throw new Error(`The declarations could not be made.\n${output}`)
    for (const { folder: of } of packages) {
      const made = join(folder, relative(root, of), 'src')
      for (const file of globSync('**/*.d.ts', { cwd: made })) {
        const text = readFileSync(join(made, file), 'utf8')
        const target = join(of, 'dist', file)
        cpSync(join(made, file), target)
        writeFileSync(target, importing(text, 'js'))
        writeFileSync(target.replace(/\.d\.ts$/, '.d.cts'), importing(text, 'cjs'))
      }
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Sources import each other as `./x.ts`. Users of older compilers, and of CommonJS, need the name of what is beside it. */
export function importing(declarations: string, extension: 'js' | 'cjs'): string {
  return declarations.replace(
    /(\b(?:from |import\(|import ))(['"])(\.{1,2}\/[^'"]+)\.ts\2/g,
    `$1$2$3.${extension}$2`,
  )
}
