import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeStore } from '@sess/conformance/vitest'
import { fileStore } from '../src/index.ts'

describeStore('files', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sess-file-'))
  return {
    store: fileStore(folder),
    second: fileStore(folder),
    // What a lost disk leaves: something else where the folder was.
    async breakBackend() {
      await rename(join(folder, 'sessions'), join(folder, 'away'))
      await writeFile(join(folder, 'sessions'), '')
    },
    async healBackend() {
      await rm(join(folder, 'sessions'))
      await rename(join(folder, 'away'), join(folder, 'sessions'))
    },
    cleanup: () => rm(folder, { recursive: true, maxRetries: 10 }),
  }
})
