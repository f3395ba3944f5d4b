export type { DialectName } from './dialects.ts'
export {
  type KyselyExecutor,
  type KyselyInstance,
  type SqlOptions,
  sqlStore,
} from './kysely.ts'
export { type MysqlCallbackPool, type MysqlConnection, type MysqlPool, mysqlStore } from './mysql.ts'
export type { TableOptions } from './options.ts'
export { type PostgresClient, type PostgresPool, postgresStore } from './postgres.ts'
export { type SqliteDatabase, type SqliteOptions, type SqliteStatement, sqliteStore } from './sqlite.ts'
export type { SqlStore } from './store.ts'
