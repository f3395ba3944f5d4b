import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Store, StoredRecord } from '@sess/core'
import { removeEach, storeFrom } from '@sess/core/store'

export interface JsonStoreOptions {
  file: string
  mistake?:
    | 'lock of one process'
    | 'counter of one process'
    | 'local time'
    | 'cache of one process'
    | 'number of the process and a counter'
    | 'busy is an error'
    | undefined
}

type Records = Record<string, StoredRecord>

// What one process has, and no other.
let turn = Promise.resolve()
let count = 0
const cache = new Map<string, StoredRecord | undefined>()

/** All records in one JSON file, under a lock that every process respects, but for the mistake. */
export default function jsonStore({ file, mistake }: JsonStoreOptions): Store {
  const load = (): Records => JSON.parse(readFileSync(file, 'utf8'))

  async function locked<T>(run: (records: Records) => T): Promise<T> {
    if (mistake === 'lock of one process') {
      const mine = turn.then(async () => {
        const records = load()
        await sleep(1)
        const answer = run(records)
        writeFileSync(file, JSON.stringify(records))
        return answer
      })
      turn = mine.then(
        () => undefined,
        () => undefined,
      )
      return await mine
    }
    for (;;) {
      try {
        mkdirSync(`${file}.lock`)
        break
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || mistake === 'busy is an error') throw error
        await sleep(1)
      }
    }
    try {
      const records = load()
      const answer = run(records)
      writeFileSync(file, JSON.stringify(records))
      return answer
    } finally {
      rmdirSync(`${file}.lock`)
    }
  }

  const get = (id: string) =>
    locked(records => {
      if (mistake === 'cache of one process' && cache.has(id)) return cache.get(id)
      const found = Object.hasOwn(records, id) ? records[id] : undefined
      if (mistake === 'cache of one process') cache.set(id, found)
      if (!found || mistake !== 'local time') return found
      return { ...found, expiresAt: new Date(String(found.expiresAt)).getTime() }
    })

  const nextVersion = () => {
    if (mistake === 'counter of one process') return String(++count)
    if (mistake === 'number of the process and a counter') return `${process.pid}.${++count}`
    return crypto.randomUUID()
  }

  const store = storeFrom({
    get,
    putIf: (id, record, version) =>
      locked(records => {
        if ((records[id]?.version ?? null) !== version) return false
        records[id] = { ...record, version: nextVersion() }
        if (mistake === 'local time') {
          const date = new Date(record.expiresAt)
          const local = new Date(record.expiresAt - date.getTimezoneOffset() * 60_000)
            .toISOString()
            .slice(0, -1)
          records[id].expiresAt = local as never
        }
        cache.delete(id)
        return true
      }),
    removeIf: (id, version) =>
      locked(records => {
        if (records[id]?.version !== version) return false
        delete records[id]
        cache.delete(id)
        return true
      }),
  })
  async function* scanBySubject(subject: string, { now = Date.now() }: { now?: number | undefined } = {}) {
    const ids = await locked(records => Object.keys(records))
    for (const id of ids) {
      const found = await get(id)
      if (found?.subject === subject && found.expiresAt > now) yield { id, ...found }
    }
  }
  return { ...store, scanBySubject, removeBySubject: removeEach(scanBySubject, store.remove) }
}
