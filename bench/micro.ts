// `node bench/micro.ts [--rounds 15] [--into FILE]`: what the pieces of Sess cost in one process, each beside what the
// platform's own piece below it costs at the least. All take turns; medians.
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hash, randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { createSessions, json, type Store } from '@sess/core'
import { seal, sign, unseal, verify } from '@sess/core/crypto'
import { cacheStore } from '@sess/store-cache'
import { encryptedCookieStore } from '@sess/store-cookie'
import { redisStore } from '@sess/store-redis'
import { requireServer, startRedis } from '@sess/test-fixtures/servers'
import { createClient } from 'redis'
import { DATA, type Data } from './apps.ts'
import { median } from './measure.ts'

interface Piece {
  name: string
  /** What it stands on: the platform's piece, or none. */
  above?: string
  run(): unknown
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '15' },
    into: { type: 'string', default: join(import.meta.dirname, 'results/micro.md') },
  },
})
const ROUND_MS = 20
const USE = {
  secrets: ['a secret of the bench, which nobody should use'],
  purpose: 'bench',
  name: 'sessionid',
}

const redis = requireServer('redis') ? await startRedis() : undefined
const client = redis && createClient({ url: redis.url })
try {
  await client?.connect()
  const columns: Map<string, number>[] = []
  let pieces: Piece[] = []
  for (const data of [DATA['small']!, DATA['medium']!]) {
    pieces = await piecesFor(data)
    columns.push(await time(pieces, Number(values.rounds)))
  }
  const page = table(pieces, columns)
  console.log(page)
  mkdirSync(dirname(values.into), { recursive: true })
  writeFileSync(values.into, page)
} finally {
  await client?.close()
  await redis?.stop()
}

async function piecesFor(data: Data): Promise<Piece[]> {
  const text = JSON.stringify(data)
  const bytes = Buffer.from(text)
  const codec = json()
  const key = createSecretKey(randomBytes(32))
  const map = new Map(Array.from({ length: 10_000 }, (_, n) => [hash('sha256', `${n}`).slice(0, 40), text]))
  const id = [...map.keys()][5_000]!
  const [sealed, signed] = [await seal(text, USE), await sign(text, USE)]
  const nonce = randomBytes(12)
  const [body, tag] = encrypt()

  function encrypt(): [Buffer, Buffer] {
    const cipher = createCipheriv('aes-256-gcm', key, nonce)
    const body = cipher.update(bytes)
    cipher.final()
    return [body, cipher.getAuthTag()]
  }
  const pieces: Piece[] = [
    { name: 'JSON.parse', run: () => JSON.parse(text) },
    { name: 'JSON.stringify', run: () => JSON.stringify(data) },
    { name: 'SHA-256 of a key', run: () => hash('sha256', id) },
    { name: 'Map.get', run: () => map.get(id) },
    { name: 'HMAC-SHA256', run: () => createHmac('sha256', key).update(bytes).digest() },
    { name: 'AES-256-GCM encrypt', run: encrypt },
    {
      name: 'AES-256-GCM decrypt',
      run() {
        const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 })
        decipher.setAuthTag(tag)
        const opened = decipher.update(body)
        decipher.final()
        return opened
      },
    },
    { name: 'codec: decode', above: 'JSON.parse', run: () => codec.decode(text) },
    { name: 'codec: encode', above: 'JSON.stringify', run: () => codec.encode(data) },
    { name: 'sign', above: 'HMAC-SHA256', run: () => sign(text, USE) },
    { name: 'verify', above: 'HMAC-SHA256', run: () => verify(signed, USE) },
    { name: 'seal', above: 'AES-256-GCM encrypt', run: () => seal(text, USE) },
    { name: 'unseal', above: 'AES-256-GCM decrypt', run: () => unseal(sealed, USE) },
    ...(await sessionPieces('memory', cacheStore(), data, ['Map.get', 'JSON.parse', 'JSON.stringify'])),
    ...(await sessionPieces('encrypted cookie', encryptedCookieStore(), data, [
      'AES-256-GCM decrypt',
      'AES-256-GCM decrypt',
      'AES-256-GCM encrypt',
    ])),
  ]
  if (!client) return pieces
  await client.set('bench', text)
  const overRedis = await sessionPieces('Redis', redisStore(client as never), data, [
    'one Redis GET',
    'one Redis GET',
    'one Redis GET',
  ])
  return [...pieces, { name: 'one Redis GET', run: () => client.get('bench') }, ...overRedis]
}

type SomeStore = Store | ReturnType<typeof encryptedCookieStore>

/** `above`: what loading, reading and writing stand on. */
async function sessionPieces(
  name: string,
  store: SomeStore,
  data: Data,
  above: [string, string, string],
): Promise<Piece[]> {
  const sessions = createSessions({ store, secret: USE.secrets })
  const answer = { status: 200, secure: false }
  const first = sessions.open()
  for (const each in data) first.set(each, data[each])
  const { setCookies } = await sessions.commit(first, answer)
  const cookie = setCookies.map(line => line.slice(0, line.indexOf(';'))).join('; ')
  const load = () => {
    const session = sessions.open(cookie)
    const loading = session.load()
    return loading ? loading.then(() => session) : session
  }
  const write = (session: ReturnType<typeof sessions.open>) => {
    session.set('n', session.get('n') + 1)
    return sessions.commit(session, answer)
  }
  const pieces: Piece[] = [
    { name: `${name}: open, load`, above: above[0], run: load },
    {
      name: `${name}: open, load, read, commit`,
      above: above[1],
      run() {
        const session = load()
        const read = (loaded: typeof first) => [loaded.get('n'), sessions.commit(loaded, answer)]
        return session instanceof Promise ? session.then(read) : read(session as typeof first)
      },
    },
    {
      name: `${name}: open, load, write, commit`,
      above: above[2],
      run() {
        const session = load()
        return session instanceof Promise ? session.then(write) : write(session as typeof first)
      },
    },
  ]
  if (name === 'memory') pieces.unshift({ name: 'open', run: () => sessions.open(cookie) })
  return pieces
}

/** Microseconds of each, by name. */
async function time(pieces: readonly Piece[], rounds: number): Promise<Map<string, number>> {
  const counts = new Map<Piece, number>()
  const found = new Map<string, number[]>(pieces.map(({ name }) => [name, []]))
  for (let round = -2; round < rounds; round++) {
    for (const piece of pieces) {
      const count = counts.get(piece) ?? 100
      const started = performance.now()
      for (let n = 0; n < count; n++) {
        const result = piece.run()
        if (result instanceof Promise) await result
      }
      const took = performance.now() - started
      counts.set(piece, Math.max(10, Math.round((count * ROUND_MS) / took)))
      if (round >= 0) found.get(piece.name)!.push((took * 1000) / count)
    }
  }
  return new Map([...found].map(([name, times]) => [name, median(times)]))
}

function table(pieces: readonly Piece[], [small, medium]: Map<string, number>[]): string {
  const row = ({ name, above }: Piece): string => {
    const cells = [small!, medium!].map(found => {
      const times = above === undefined ? '' : ` (${(found.get(name)! / found.get(above)!).toFixed(1)} ×)`
      return `${found.get(name)!.toFixed(2)}${times}`
    })
    return `| ${[name, ...cells, above ?? ''].join(' | ')} |`
  }
  return `# What the pieces cost

Microseconds in one process, medians of ${values.rounds} rounds that take turns; Node ${process.versions.node}. In brackets: beside the
piece of the platform that it stands on. Made by \`node bench/micro.ts\`.

| | 200 B | 4 KB | stands on |
| --- | --- | --- | --- |
${pieces.map(row).join('\n')}
`
}
