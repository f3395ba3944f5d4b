import { number } from '@sess/core/inspect'
import type { SqlTarget } from '../sql.ts'
import { compareClocks } from './clock.ts'
import { bad, type Finding, ok, warn } from './finding.ts'

/** Looks at a table and its server. */
export async function examineSql(sql: SqlTarget): Promise<Finding[]> {
  const findings: Finding[] = []
  const before = Date.now()
  const server = await sql.serverTime()
  if (server !== undefined) findings.push(compareClocks(server, before, Date.now()))

  const pending = await sql.pending()
  const index = pending.find(each => /^create index/i.test(each))
  if (index !== undefined) {
    findings.push(
      bad(
        'an index is missing, so a command or a clean-up reads the whole table',
        `Run \`sess migrate\`, which does: ${index}`,
      ),
    )
  } else if (pending.length > 0) {
    findings.push(warn('the table is older than this version', 'Run `sess migrate`.'))
  } else findings.push(ok('the table has its columns and indexes'))

  const waiting = await sql.countExpired(Date.now())
  if (waiting > 10_000) {
    findings.push(
      warn(`${number(waiting)} expired sessions wait`, 'Run `sess clear-expired --every 1h`, or from cron.'),
    )
  } else findings.push(ok(`${number(waiting)} expired sessions wait`))

  if (sql.dialect === 'sqlite') findings.push(...(await examineSqlite(sql)))
  if (sql.dialect === 'postgres') findings.push(...(await examinePostgres(sql)))
  if (sql.dialect === 'mysql') findings.push(...(await examineMysql(sql)))
  return findings
}

async function examineSqlite({ query }: SqlTarget): Promise<Finding[]> {
  const { rows } = await query('pragma journal_mode')
  const mode = String(rows[0]?.['journal_mode'])
  if (mode === 'wal') return [ok('journal_mode is wal')]
  return [
    warn(
      `journal_mode is ${mode}, so readers and the writer wait for each other`,
      "Run once: sqlite3 FILE 'pragma journal_mode = wal'",
    ),
  ]
}

async function examinePostgres({ query }: SqlTarget): Promise<Finding[]> {
  const { rows } = await query(
    `select pg_is_in_recovery() as replica, current_setting('fsync') as fsync,
       current_setting('synchronous_commit') as commits, current_setting('transaction_read_only') as readonly`,
  )
  const { replica, fsync, commits, readonly } = rows[0] ?? {}
  const findings: Finding[] = []
  if (replica === true)
    findings.push(bad('this server is a replica', 'Name the primary: sessions are written.'))
  else if (readonly === 'on') {
    findings.push(
      bad('transactions are read-only here', 'Set default_transaction_read_only = off for this user.'),
    )
  } else findings.push(ok('this server accepts writes'))
  if (fsync === 'off' || commits === 'off') {
    const which = fsync === 'off' ? 'fsync' : 'synchronous_commit'
    findings.push(warn(`${which} is off: a crash may undo logouts`, `Set ${which} = on.`))
  } else findings.push(ok('a commit outlives a crash'))
  return findings
}

async function examineMysql({ query, name }: SqlTarget): Promise<Finding[]> {
  const { rows } = await query(
    `select @@global.sql_mode as mode, @@global.autocommit as autocommit, @@global.read_only as readonly,
       t.engine as engine, c.data_type as type, c.character_set_name as charset
     from information_schema.tables t join information_schema.columns c
       on c.table_schema = t.table_schema and c.table_name = t.table_name and c.column_name = 'session_data'
     where t.table_schema = coalesce(?, database()) and t.table_name = ?`,
    [name.schema ?? null, name.table],
  )
  const { mode, autocommit, readonly, engine, type, charset } = rows[0] ?? {}
  const findings: Finding[] = []
  if (/STRICT_(TRANS|ALL)_TABLES/.test(String(mode))) findings.push(ok('sql_mode is strict'))
  else {
    findings.push(
      bad(
        'sql_mode is not strict: what does not fit is cut off without an error (CVE-2015-8562)',
        "set global sql_mode = concat(@@global.sql_mode, ',STRICT_TRANS_TABLES')",
      ),
    )
  }
  if (Number(autocommit) !== 1) {
    findings.push(
      bad('autocommit is off, so a pool of yours would save nothing', 'set global autocommit = 1'),
    )
  }
  if (Number(readonly) === 1) {
    findings.push(bad('the server is read-only', 'Name the primary, or set global read_only = 0.'))
  }
  if (String(engine).toLowerCase() !== 'innodb') {
    findings.push(
      bad(
        `the table's engine is ${engine}, which loses rows in a crash`,
        `alter table ${name.table} engine = InnoDB`,
      ),
    )
  }
  if (type !== 'longtext' || charset !== 'utf8mb4') {
    findings.push(
      warn(
        `session_data is ${type} in ${charset}, which cannot hold every session`,
        `alter table ${name.table} modify session_data longtext character set utf8mb4 not null`,
      ),
    )
  } else findings.push(ok('session_data is longtext in utf8mb4'))
  return findings
}
