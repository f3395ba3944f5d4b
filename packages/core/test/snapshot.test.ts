import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { expect, it } from 'vitest'

const run = promisify(execFile)

it('no key repeats in processes that start from one V8 snapshot of a warm process [A1]', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sess-snapshot-'))
  try {
    const [script, blob] = [join(folder, 'app.cjs'), join(folder, 'app.blob')]
    await build({
      stdin: {
        contents: `
          import v8 from 'node:v8'
          import { randomBytes } from '#crypto'
          import { newKey } from './key.ts'
          newKey(randomBytes)
          v8.startupSnapshot.setDeserializeMainFunction(() => console.log(newKey(randomBytes)))`,
        resolveDir: join(import.meta.dirname, '../src'),
      },
      bundle: true,
      platform: 'node',
      format: 'cjs',
      outfile: script,
    })
    await run(process.execPath, ['--snapshot-blob', blob, '--build-snapshot', script])
    const start = async () => (await run(process.execPath, ['--snapshot-blob', blob])).stdout.trim()
    const keys = await Promise.all([start(), start(), start()])
    for (const key of keys) expect(key).toMatch(/^[a-z0-9]{32}$/)
    expect(new Set(keys).size).toBe(3)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
