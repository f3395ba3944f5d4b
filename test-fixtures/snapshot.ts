import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'

const run = promisify(execFile)

/**
 * Makes a V8 start-up snapshot of a process that has called `expression` once, and returns what it is in `count` processes
 * that start from that snapshot.
 *
 * @param imports import statements that the expression needs
 * @param folder what relative imports are relative to
 */
export async function inSnapshotProcesses(
  imports: string,
  expression: string,
  folder: string,
  count = 3,
): Promise<string[]> {
  const work = await mkdtemp(join(tmpdir(), 'sess-snapshot-'))
  try {
    const [script, blob] = [join(work, 'app.cjs'), join(work, 'app.blob')]
    await build({
      stdin: {
        contents: `
          import v8 from 'node:v8'
          ${imports}
          const make = () => ${expression}
          make()
          v8.startupSnapshot.setDeserializeMainFunction(() => console.log(make()))`,
        resolveDir: folder,
      },
      bundle: true,
      platform: 'node',
      format: 'cjs',
      outfile: script,
    })
    await run(process.execPath, ['--snapshot-blob', blob, '--build-snapshot', script])
    const start = async () => (await run(process.execPath, ['--snapshot-blob', blob])).stdout.trim()
    return await Promise.all(Array.from({ length: count }, start))
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}
