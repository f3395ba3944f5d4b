// Uses a store as another user, for modes do not stop root: `node other-user.ts <folder> <id> <version>`, started as
// root. Prints each outcome.
import { fileStore } from '../../src/index.ts'

const [folder = '', id = '', version = ''] = process.argv.slice(2)
process.setgroups!([])
process.setgid!(65_534)
process.setuid!(65_534)
const store = fileStore(folder)
const record = { payload: 'by another', expiresAt: Date.now() + 3_600_000 }
const outcomes: Record<string, unknown> = {}
for (const [name, call] of Object.entries({
  read: () => store.read(id).then(found => found?.payload ?? null),
  readAbsent: () => store.read('f'.repeat(40)),
  insert: () => store.insert('e'.repeat(40), record),
  replace: () => store.replace(id, record, version),
  remove: () => store.remove(id),
})) {
  try {
    outcomes[name] = await call()
  } catch (error) {
    outcomes[name] = `throws ${(error as NodeJS.ErrnoException).code}`
  }
}
console.log(JSON.stringify(outcomes))
