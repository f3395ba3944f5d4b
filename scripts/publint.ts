// Runs publint over every tarball as it would be published.
import { readFileSync } from 'node:fs'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { packAll } from './pack.ts'

let problems = 0
const packages = await packAll()
for (const { name, tarball } of packages) {
  const { buffer, byteOffset, byteLength } = readFileSync(tarball)
  const { messages, pkg } = await publint({
    pack: { tarball: buffer.slice(byteOffset, byteOffset + byteLength) },
    level: 'suggestion',
    strict: true,
  })
  problems += messages.length
  for (const message of messages) console.log(`${name}: ${formatMessage(message, pkg, { color: false })}`)
}
console.log(`publint: ${packages.length} packages, ${problems} problems`)
process.exitCode = problems === 0 ? 0 : 1
