// A process that works on sessions until it is killed: `node writer.ts <folder> <name> <id> …`. The ids are shared with
// other writers, each of which counts in a place of its own. Every line it prints says what is about to happen, or that
// it was acknowledged: a line that was written is in the pipe, whatever happens to its writer.
import { randomBytes } from 'node:crypto'
import { writeSync } from 'node:fs'
import { fileStore } from '../../src/index.ts'

const [folder = '', name = '', ...shared] = process.argv.slice(2)
const store = fileStore(folder)
const expiresAt = Date.now() + 3_600_000
const say = (...words: string[]) => writeSync(1, `${words.join(' ')}\n`)
const filler = 'x'.repeat(3_000)

async function count(id: string): Promise<void> {
  for (;;) {
    const found = await store.read(id)
    if (!found) throw new Error('A shared session is gone.')
    const counts = JSON.parse(found.payload)
    const next = (counts[name] ?? 0) + 1
    const record = {
      payload: JSON.stringify({ ...counts, [name]: next, filler }),
      expiresAt,
      subject: 'shared',
    }
    say('count', id, `${next}`)
    const answer = await store.replace(id, record, found.version)
    if (answer === 'gone') throw new Error('A shared session is gone.')
    if (answer === 'ok') return void say('counted', id, `${next}`)
  }
}

say('started')
for (let n = 0; ; n++) {
  await count(shared[n % shared.length]!)
  const id = randomBytes(20).toString('hex')
  say('insert', id)
  if (!(await store.insert(id, { payload: `${n}${filler}`, expiresAt, subject: `${name}-${n % 5}` })))
    throw new Error('A fresh id was taken.')
  say('inserted', id, `${n}`)
  const { version } = (await store.read(id))!
  if (n % 3 === 0) {
    say('remove', id)
    if ((await store.remove(id, version)) !== 'ok') throw new Error('Nobody else knows this session.')
    say('removed', id)
  } else if (n % 3 === 1) {
    if (!(await store.touch(id, expiresAt + n, version))) throw new Error('Nobody else knows this session.')
  }
}
