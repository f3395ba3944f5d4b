// What the calls of the file store cost on this disk: `pnpm campaign file-cost [calls]`. One call after the other.

import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileStore } from '@sess/store-file'

const count = Number(process.argv[2] ?? 500)
const folder = await mkdtemp(join(tmpdir(), 'sess-file-cost-'))
const store = fileStore(folder)
const expiresAt = Date.now() + 3_600_000
const payload = JSON.stringify({ note: 'x'.repeat(180) })
const ids = Array.from({ length: count }, () => randomBytes(20).toString('hex'))
const versions: string[] = []

async function measure(
  name: string,
  call: (id: string, n: number) => PromiseLike<unknown> | unknown,
): Promise<void> {
  const times: number[] = []
  const cpu = process.cpuUsage()
  for (const [n, id] of ids.entries()) {
    const start = performance.now()
    await call(id, n)
    times.push(performance.now() - start)
  }
  const { user, system } = process.cpuUsage(cpu)
  const sorted = times.sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.floor(share * (count - 1))]!.toFixed(2)
  console.log(
    `${name.padEnd(24)} median ${at(0.5)} ms, 95 % ${at(0.95)} ms, CPU ${((user + system) / count).toFixed(0)} µs`,
  )
}

try {
  await measure('insert', id => store.insert(id, { payload, expiresAt }))
  await measure('read', async (id, n) => {
    versions[n] = (await store.read(id))!.version
  })
  await measure('replace', (id, n) =>
    store.replace(id, { payload, expiresAt, subject: `user-${n}` }, versions[n]!),
  )
  for (const [n, id] of ids.entries()) versions[n] = (await store.read(id))!.version
  await measure('replace, same subject', (id, n) =>
    store.replace(id, { payload, expiresAt, subject: `user-${n}` }, versions[n]!),
  )
  for (const [n, id] of ids.entries()) versions[n] = (await store.read(id))!.version
  await measure('touch', (id, n) => store.touch(id, expiresAt + 1, versions[n]!))
  await measure('remove', id => store.remove(id))
} finally {
  await rm(folder, { recursive: true })
}
