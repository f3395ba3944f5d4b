import { setTimeout as sleep } from 'node:timers/promises'
import { format, inspect } from 'node:util'
import type { Store } from '@sess/core'
import { redisCommand, requireServer, type Server, startRedis } from '@sess/test-fixtures/servers'
import { Redis as Ioredis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { type RedisClient, redisStore } from '../src/index.ts'
import { type Opened, standaloneClients } from './clients.ts'

// A key as it is with `hashKeys: false`, data, and a subject: none of them may be in an error.
const KEY = 'canarykey0123456789abcdefghijklm'
const PAYLOAD = '{"card":"canary-payload 4111"}'
const SUBJECT = 'canary-subject'
const EXPIRES_AT = Date.now() + 3_600_000

/** How an error comes about, and what it says. */
interface Kind {
  name: string
  says: RegExp
  config?: Record<string, string>
  /** Options of ioredis. */
  ioredis?: object
  payload?: string
  bring(server: Server, client: RedisClient): Promise<unknown>
}

const send = (client: RedisClient, ...args: [string, ...string[]]) =>
  client instanceof Ioredis
    ? client.call(...args)
    : (client as { sendCommand(args: string[]): Promise<unknown> }).sendCommand(args)

const kinds: Kind[] = [
  {
    name: 'OOM: memory is full',
    says: /^OOM /,
    bring: ({ port }) => redisCommand(port, 'CONFIG', 'SET', 'maxmemory', '1'),
  },
  {
    name: 'MISCONF: snapshots fail',
    says: /^MISCONF /,
    config: { save: '3600 1', 'enable-protected-configs': 'yes' },
    async bring({ port }) {
      await redisCommand(port, 'CONFIG', 'SET', 'dir', '/proc')
      await redisCommand(port, 'BGSAVE')
      await expect
        .poll(() => redisCommand(port, 'INFO', 'persistence'))
        .toContain('rdb_last_bgsave_status:err')
    },
  },
  {
    name: 'READONLY: the server became a replica',
    says: /^READONLY /,
    bring: ({ port }) => redisCommand(port, 'REPLICAOF', '127.0.0.1', '1'),
  },
  {
    name: 'MASTERDOWN: the replica serves no stale data',
    says: /^MASTERDOWN /,
    config: { 'replica-serve-stale-data': 'no' },
    bring: ({ port }) => redisCommand(port, 'REPLICAOF', '127.0.0.1', '1'),
  },
  {
    name: 'NOREPLICAS: too few replicas',
    says: /^NOREPLICAS /,
    bring: ({ port }) => redisCommand(port, 'CONFIG', 'SET', 'min-replicas-to-write', '1'),
  },
  {
    name: 'WRONGTYPE: something else has the key',
    says: /WRONGTYPE /,
    async bring({ port }) {
      await redisCommand(port, 'DEL', `sess2:${KEY}`)
      await redisCommand(port, 'RPUSH', `sess2:${KEY}`, 'x')
    },
  },
  {
    name: 'LOADING: the server reads its file',
    says: /^LOADING /,
    config: {
      'enable-debug-command': 'yes',
      'key-load-delay': '3000',
      'loading-process-events-interval-bytes': '1024',
    },
    async bring({ port }) {
      await redisCommand(port, 'DEBUG', 'POPULATE', '500', 'filler', '100')
      redisCommand(port, 'DEBUG', 'RELOAD').catch(() => 'It takes longer than this waits.')
      await sleep(100)
    },
  },
  {
    name: 'NOAUTH: the password is missing',
    says: /^NOAUTH /,
    async bring({ port }, client) {
      await redisCommand(port, 'CONFIG', 'SET', 'requirepass', 'secret')
      await send(client, 'RESET')
    },
  },
  {
    name: 'NOPERM: the rights are missing',
    says: /^NOPERM |ACL/,
    bring: ({ port }) => redisCommand(port, 'ACL', 'SETUSER', 'default', '-get', '-getrange', '-zadd'),
  },
  {
    name: 'NOSCRIPT, and EVAL is switched off',
    says: /^ERR unknown command/,
    config: { 'rename-command EVAL': 'gone' },
    bring: ({ port }) => redisCommand(port, 'SCRIPT', 'FLUSH'),
  },
  {
    name: 'too large for the server',
    says: /./,
    payload: `${PAYLOAD}${'canary-payload '.repeat(100_000)}`,
    bring: ({ port }) => redisCommand(port, 'CONFIG', 'SET', 'proto-max-bulk-len', '1mb'),
  },
  {
    name: 'CLUSTERDOWN: nobody serves the slot',
    says: /^CLUSTERDOWN /,
    config: { 'cluster-enabled': 'yes' },
    bring: async () => undefined,
  },
  {
    name: 'the server is gone, and the client gives up',
    says: /./,
    ioredis: { maxRetriesPerRequest: 1 },
    async bring(server, client) {
      await server.kill('SIGKILL')
      if (!(client instanceof Ioredis)) (client as unknown as { destroy(): void }).destroy()
    },
  },
]

function everyCall(store: Store, version: string, payload: string): Promise<unknown>[] {
  const record = { payload, expiresAt: EXPIRES_AT, subject: SUBJECT }
  const signal = AbortSignal.timeout(3_000)
  const collect = async (items: AsyncIterable<unknown>) => {
    for await (const _ of items);
  }
  return [
    async () => store.read(KEY, { signal }),
    async () => store.insert(KEY, record, { signal }),
    async () => store.replace(KEY, record, version, { signal }),
    async () => store.touch(KEY, EXPIRES_AT + 1, version, { signal }),
    async () => store.removeBySubject!(SUBJECT, { signal }),
    async () => collect(store.scanBySubject!(SUBJECT, { signal })),
    async () => collect(store.scan!({ signal })),
    async () => store.remove(KEY, version, { signal }),
  ].map(call => call())
}

describe.skipIf(!requireServer('redis')).each(standaloneClients)(
  'errors, with $name',
  ({ name: client, open }) => {
    it.each(kinds)('$name: no data, subject or key in what is thrown [H2, C11]', async kind => {
      await using server = await startRedis(kind.config ? { config: kind.config } : {})
      const opened: Opened = await open(server, kind.ioredis as never)
      try {
        const payload = kind.payload ?? PAYLOAD
        const isCluster = kind.config?.['cluster-enabled'] !== undefined
        let version = 'x'.repeat(15)
        if (!isCluster) {
          const store = redisStore(opened.client)
          // By its own command: in one case there is no EVAL.
          await redisCommand(
            server.port,
            'SET',
            `sess2:${KEY}`,
            `${String(EXPIRES_AT).padStart(16, '0')} ${version.replace(/x/g, '0')} "${SUBJECT}"\n${PAYLOAD}`,
          )
          version = (await store.read(KEY))!.version
        }
        await kind.bring(server, opened.client)
        const settled = await Promise.allSettled(everyCall(redisStore(opened.client), version, payload))
        const errors = settled.flatMap(one => (one.status === 'rejected' ? [one.reason as Error] : []))
        expect(errors.map(({ message }) => message)).toContainEqual(expect.stringMatching(kind.says))
        for (const error of errors) {
          const texts = [
            inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true }),
            format(error),
            JSON.stringify(error),
            String(error.stack),
            JSON.stringify(
              Object.fromEntries(Object.getOwnPropertyNames(error).map(key => [key, (error as never)[key]])),
            ),
          ]
          for (const text of texts) expect(text, client).not.toMatch(/canary|4111/i)
        }
      } finally {
        opened.close()
        // It does not stop before it has saved.
        if (kind.config?.['save']) await server.kill('SIGKILL')
      }
    })
  },
)
