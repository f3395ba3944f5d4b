import { type CuttableProxy, cuttable } from '@sess/conformance'
import { describeStore } from '@sess/conformance/vitest'
import { describeOtherWay, moduleOfToday } from '@sess/test-fixtures/other-way.ts'
import type { Server } from '@sess/test-fixtures/servers'
import type { Trouble } from '@sess/test-fixtures/servers/trouble.ts'
import { afterAll, beforeAll, describe } from 'vitest'
import type { SqlStore } from '../src/index.ts'

const path = new URL('./processes/store.ts', import.meta.url).href

/** How an application hands over its database, twice. The first way is by a URL. */
export interface Way {
  name: string
  open(url: string): { store: SqlStore; close(): unknown }
}

/** A database server, and its name in the reports. */
export interface SqlServer {
  name: 'PostgreSQL' | 'MariaDB'
  /** As the module for a second process calls it. */
  engine: 'postgres' | 'mysql'
  ways: readonly Way[]
  trouble(server: Server, proxy: CuttableProxy): Promise<Trouble>
  /** A store that is connected by this port. */
  openAt(port: number): SqlStore
}

/** Registers the cases over every way to open a server, and over its errors. `server` is called in the tests. */
export function describeServer(
  { name, engine, ways, trouble, openAt }: SqlServer,
  server: () => Server,
): void {
  for (const { name: way, open } of ways) {
    const isFirst = way === 'a URL'
    const describeThis = isFirst ? describeStore : describeOtherWay
    describeThis(
      `${name} through ${way}`,
      () => {
        const { url, kill, restart } = server()
        const [one, two] = [open(url), open(url)]
        const argument = { engine, location: url }
        return {
          store: one.store,
          second: two.store,
          module: isFirst ? moduleOfToday(name, { path, argument }) : undefined,
          breakBackend: () => kill('SIGKILL'),
          healBackend: () => restart(),
          restartBackend: async () => {
            await kill('SIGKILL')
            await restart()
          },
          freezeBackend: () => kill('SIGSTOP'),
          thawBackend: () => kill('SIGCONT'),
          async cleanup() {
            await one.close()
            await two.close()
          },
        }
      },
      { callTimeout: 2_000 },
    )
  }

  describe('behind a proxy', () => {
    let proxy: CuttableProxy
    let current: Trouble
    beforeAll(async () => {
      proxy = await cuttable(server().port)
      current = await trouble(server(), proxy)
    })
    afterAll(async () => {
      await current.close()
      await proxy.close()
    })

    describeStore(
      `${name}, replies lost and errors`,
      () => {
        const [store, second] = [openAt(proxy.port), openAt(server().port)]
        return {
          store,
          second,
          loseAnswer: proxy.loseAnswer,
          fail: current.fail,
          healBackend: current.heal,
          async cleanup() {
            await store.close()
            await second.close()
          },
        }
      },
      { callTimeout: 2_000, filter: /^store\/(lost|fails)-/ },
    )
  })
}
