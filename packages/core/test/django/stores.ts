import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { memoryStore } from '@sess/conformance'
import { cacheStore } from '@sess/store-cache'
import { cachedStore } from '@sess/store-cached'
import { signedCookieStore } from '@sess/store-cookie'
import { fileStore } from '@sess/store-file'
import { sqliteStore } from '@sess/store-sql'
import type { Store } from '../../src/index.ts'
import type { DjangoSettings } from './recordings.ts'
import type { StoreUnderTest } from './sess.ts'

/** By Django backend, what stands in for it: the reference store, and the store that is made to take its place. */
export const STORES: Record<string, Record<string, (settings: DjangoSettings) => StoreUnderTest>> = {
  db: { memoryStore: inMemory, sqliteStore: inSqlite },
  file: { memoryStore: inMemory, fileStore: inFiles },
  cache: { memoryStore: inMemory, cacheStore: () => ({ store: cacheStore({ maxEntries: 100 }) }) },
  cached_db: { memoryStore: inMemory, cachedStore: inBoth },
  signed_cookies: {
    // The engine rejects an age that makes no sense.
    signedCookieStore: ({ age }) => ({ store: signedCookieStore({ django: age > 0 ? { age } : true }) }),
  },
  engine_without_clear_expired: {
    memoryStore() {
      const { clearExpired, ...store } = memoryStore()
      return { store }
    },
  },
}

function inMemory(): StoreUnderTest {
  return { store: memoryStore(), deadIdsAreTaken: false }
}

function openSqlite(): { store: Store; close(): void } {
  const db = new DatabaseSync(':memory:')
  return { store: sqliteStore(db, { table: 'django_session', subject: false }), close: () => db.close() }
}

function inSqlite(): StoreUnderTest {
  return openSqlite()
}

function inBoth(): StoreUnderTest {
  const { store: durable, close } = openSqlite()
  return { store: cachedStore({ fast: cacheStore({ maxEntries: 100 }), durable }), close }
}

function inFiles(): StoreUnderTest {
  const folder = mkdtempSync(join(tmpdir(), 'sess-django-'))
  const names: string[] = []
  return {
    store: fileStore(folder),
    writeFile(name) {
      names.push(name)
      writeFileSync(join(folder, name), 'garbage')
    },
    files: () => names.filter(name => existsSync(join(folder, name))),
    close: () => rmSync(folder, { recursive: true }),
  }
}
