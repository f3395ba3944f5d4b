import type { CuttableProxy } from '@sess/conformance'
import type { Server } from '@sess/test-fixtures/servers'
import { type Trouble, type Troubles, troubleWith } from '@sess/test-fixtures/servers/trouble.ts'
import mysql from 'mysql2/promise'

/** A user without special rights, whom a read-only server and a limit of connections bind. */
export const USER = 'app'

/** MariaDB allows no lower limit. */
const LEAST_CONNECTIONS = 10

const outOfMemory = (event: 'insert' | 'update' | 'delete') => `
create trigger no_memory_${event} before ${event} on sessions for each row
  if (select out_of_memory from trouble) then
    signal sqlstate 'HY001' set mysql_errno = 1037, message_text = 'Out of memory';
  end if`

const PREPARE = [
  'create table trouble (out_of_memory bool not null)',
  'insert into trouble values (false)',
  ...(['insert', 'update', 'delete'] as const).map(outOfMemory),
  `create user ${USER}@'%'`,
  `grant select, insert, update, delete on sess.sessions to ${USER}@'%'`,
  "create user others@'%'",
]

/** Errors of MariaDB for the table `sessions`, as `USER` sees them. It has none while it starts: it does not listen then. */
export async function mariadbTrouble(server: Server, proxy: CuttableProxy): Promise<Trouble> {
  const control = await mysql.createConnection(server.url)
  for (const statement of PREPARE) await control.query(statement)
  const others: mysql.Connection[] = []

  async function endConnections() {
    const [rows] = await control.query(`select id from information_schema.processlist where user = '${USER}'`)
    for (const { id } of rows as { id: number }[]) await control.query('kill hard connection ?', [id])
  }

  async function connectOthers() {
    for (;;) {
      try {
        others.push(await mysql.createConnection(`mysql://others@127.0.0.1:${server.port}`))
      } catch (error) {
        if ((error as { code?: string }).code === 'ER_CON_COUNT_ERROR') return
        throw error
      }
    }
  }

  const troubles: Troubles = {
    // 1290: "The MariaDB server is running with the --read-only option".
    'read-only': () => control.query('set global read_only = on'),
    'out-of-memory': () => control.query('update trouble set out_of_memory = true'),
    // 1040: "Too many connections".
    async 'too-many-connections'() {
      await control.query(`set global max_connections = ${LEAST_CONNECTIONS}`)
      await endConnections()
      await connectOthers()
    },
  }
  return {
    ...troubleWith(troubles, proxy, async () => {
      await control.query('set global read_only = off')
      await control.query('update trouble set out_of_memory = false')
      await control.query('set global max_connections = 300')
      await Promise.all(others.splice(0).map(other => other.end()))
    }),
    close: () => control.end(),
  }
}
