import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { fileStore } from '../../src/index.ts'

export interface KillReport {
  kills: number
  /** Sessions that must be there, looked at after a kill. */
  checked: number
  /** Acknowledged writes that are missing, and removed sessions that are back. */
  lost: string[]
  /** Files of sessions that are there and not readable. */
  unreadable: string[]
  /** Files besides sessions and their marks, after `clearExpired`. */
  leftOvers: string[]
}

const WRITER = fileURLToPath(new URL('./writer.ts', import.meta.url))

/** Kills one of two writers at a random moment and looks at every session, again and again. */
export async function killLoop(kills: number): Promise<KillReport> {
  const report: KillReport = { kills: 0, checked: 0, lost: [], unreadable: [], leftOvers: [] }
  const folder = await mkdtemp(join(tmpdir(), 'sess-kill-'))
  const store = fileStore(folder)
  const shared = Array.from({ length: 3 }, () => randomBytes(20).toString('hex'))
  const expiresAt = Date.now() + 3_600_000
  for (const id of shared) await store.insert(id, { payload: '{}', expiresAt, subject: 'shared' })

  /** What was acknowledged: counts of shared sessions by writer, and payloads of the others. */
  const counted = new Map<string, number>()
  const inserted = new Map<string, string>()
  const removed = new Set<string>()
  /** Said to be about to be removed: there or not, both are right. */
  const underWay = new Set<string>()

  const children = new Set<ChildProcess>()
  async function start(name: string): Promise<{ kill(): Promise<void> }> {
    const child = spawn(process.execPath, [WRITER, folder, name, ...shared], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    children.add(child)
    const lines = createInterface(child.stdout)
    const closed = new Promise<void>(done => lines.once('close', done))
    const exited = new Promise<NodeJS.Signals | null>(done => child.once('exit', (_, signal) => done(signal)))
    await new Promise<void>((done, fail) => {
      closed.then(() => fail(new Error('A writer ended by itself.')))
      lines.on('line', line => {
        const [what, id = '', value = ''] = line.split(' ')
        if (what === 'started') done()
        if (what === 'counted') counted.set(`${id} ${name}`, Number(value))
        if (what === 'inserted') inserted.set(id, value)
        if (what === 'remove') underWay.add(id)
        if (what === 'removed') inserted.delete(id)
        if (what === 'removed') removed.add(id)
      })
    })
    return {
      async kill() {
        child.kill('SIGKILL')
        if ((await exited) !== 'SIGKILL') report.lost.push('a writer failed by itself')
        await closed
        children.delete(child)
      },
    }
  }

  async function check(): Promise<void> {
    for (const id of shared) {
      // The other writer continues, so only saves that finished before this read count.
      const acknowledged = [...counted]
      const found = await store.read(id)
      report.checked++
      if (!found) {
        report.unreadable.push(id)
        continue
      }
      const counts = JSON.parse(found.payload) as Record<string, number>
      for (const [key, count] of acknowledged) {
        const [of, name = ''] = key.split(' ')
        if (of === id && !(Number(counts[name]) >= count))
          report.lost.push(`${key}: ${counts[name]} of ${count}`)
      }
    }
    for (const [id, n] of [...inserted]) {
      const found = await store.read(id)
      report.checked++
      if (!found && !underWay.has(id)) report.lost.push(id)
      if (found && !found.payload.startsWith(`${n}x`)) report.lost.push(`${id}: another payload`)
    }
    for (const id of [...removed]) if (await store.read(id)) report.lost.push(`${id}: back again`)
    // What several rounds have looked at is settled; the rounds stay short without it.
    for (const id of [...inserted.keys()].slice(0, -60)) inserted.delete(id)
    for (const id of [...removed].slice(0, -60)) removed.delete(id)
  }

  try {
    let round = 0
    const writers = [await start('a0'), await start('b0')]
    while (report.kills < kills) {
      round++
      await sleep(Math.random() * 30)
      const victim = round % 2
      await writers[victim]!.kill()
      report.kills++
      await check()
      writers[victim] = await start(`${victim ? 'b' : 'a'}${round}`)
    }
    for (const writer of writers) await writer.kill()
    await check()

    // Nobody else uses the folder now.
    for await (const _ of fileStore(folder, { leftOverAge: 0 }).clearExpired());
    const listed = new Set<string>()
    for await (const { id } of store.scan()) listed.add(id)
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (entry.isDirectory() || listed.has(entry.name)) continue
      if (/^[0-9a-f]{40}$/.test(entry.name)) report.unreadable.push(join(entry.parentPath, entry.name))
      else report.leftOvers.push(join(entry.parentPath, entry.name))
    }
    return report
  } finally {
    for (const child of children) child.kill('SIGKILL')
    await rm(folder, { recursive: true })
  }
}
