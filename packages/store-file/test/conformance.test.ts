import { existsSync } from 'node:fs'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeStore } from '@sess/conformance/vitest'
import { moduleOfToday } from '@sess/test-fixtures/other-way.ts'
import { type ProcessLimits, processLimits } from '@sess/test-fixtures/process-limits.ts'
import { afterAll, beforeAll } from 'vitest'
import { fileStore } from '../src/index.ts'

const module = new URL('./helpers/store.ts', import.meta.url).href

let limits: ProcessLimits | undefined
beforeAll(() => {
  limits = processLimits()
})
afterAll(() => limits?.close())

describeStore('files', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sess-file-'))
  return {
    store: fileStore(folder),
    second: fileStore(folder),
    module: moduleOfToday('files', { path: module, argument: folder }),
    // What a lost disk leaves: something else where the folder was.
    async breakBackend() {
      await rename(join(folder, 'sessions'), join(folder, 'away'))
      await writeFile(join(folder, 'sessions'), '')
    },
    async healBackend() {
      await limits?.lift()
      if (!existsSync(join(folder, 'away'))) return
      await rm(join(folder, 'sessions'))
      await rename(join(folder, 'away'), join(folder, 'sessions'))
    },
    // Nothing makes a folder read-only for root, as whom these tests may run.
    async fail(kind) {
      if (kind === 'out-of-memory' && limits) return await limits.noRoom()
      if (kind === 'too-many-connections' && limits) return await limits.noFiles()
      return false
    },
    cleanup: () => rm(folder, { recursive: true, maxRetries: 10 }),
  }
})
