import type { CuttableProxy } from '@sess/conformance'
import type { Server } from '@sess/test-fixtures/servers'
import { type Trouble, type Troubles, troubleWith } from '@sess/test-fixtures/servers/trouble.ts'
import pg from 'pg'

/** A user without special rights, whom a read-only server and a limit of connections bind. */
export const USER = 'app'

const PREPARE = `
create role ${USER} login;
grant all on sessions to ${USER};
create function out_of_memory() returns trigger language plpgsql
  as 'begin raise sqlstate ''53200'' using message = ''out of memory''; end';
create trigger out_of_memory before insert or update or delete on sessions
  for each statement execute function out_of_memory();
alter table sessions disable trigger out_of_memory;
`

/** Errors of PostgreSQL for the table `sessions`, as `USER` sees them. */
export async function postgresTrouble(server: Server, proxy: CuttableProxy): Promise<Trouble> {
  const control = new pg.Client(server.url)
  await control.connect()
  await control.query(PREPARE)
  await control.query('set default_transaction_read_only = off')
  // The database that takes no connections must be another one.
  const beside = new pg.Client(server.url.replace(/postgres$/, 'template1'))
  await beside.connect()

  const endConnections = () =>
    control.query(`select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = '${USER}'`)
  const setReadOnly = async (value: 'on' | 'off') => {
    await control.query(`alter system set default_transaction_read_only = ${value}`)
    await control.query('select pg_reload_conf()')
    // The sessions get it a moment later.
    const isSet = async () => {
      const { rows } = await beside.query('show default_transaction_read_only')
      return rows[0].default_transaction_read_only === value
    }
    while (!(await isSet())) await new Promise(resolve => setTimeout(resolve, 1))
  }

  const troubles: Troubles = {
    // 55000: "database is not currently accepting connections".
    async loading() {
      await beside.query('alter database postgres allow_connections false')
      await endConnections()
    },
    // 25006: "cannot execute INSERT in a read-only transaction".
    'read-only': () => setReadOnly('on'),
    'out-of-memory': () => control.query('alter table sessions enable trigger out_of_memory'),
    // 53300: "too many connections for role".
    async 'too-many-connections'() {
      await control.query(`alter role ${USER} connection limit 0`)
      await endConnections()
    },
  }
  return {
    ...troubleWith(troubles, proxy, async () => {
      await setReadOnly('off')
      await beside.query('alter database postgres allow_connections true')
      await control.query(`alter role ${USER} connection limit -1`)
      await control.query('alter table sessions disable trigger out_of_memory')
    }),
    async close() {
      await control.end()
      await beside.end()
    },
  }
}
