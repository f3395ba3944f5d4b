export type { DialectName } from './dialects.ts'
export type { TableOptions } from './options.ts'
export { type SqliteDatabase, type SqliteOptions, type SqliteStatement, sqliteStore } from './sqlite.ts'
export type { SqlStore } from './store.ts'
