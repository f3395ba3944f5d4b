#!/usr/bin/env node
import process from 'node:process'
import { main } from './program.ts'

// `sess list | head`: nobody reads on. The status is that of a program which the signal SIGPIPE ended.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(141)
})

main(process.argv.slice(2), process).then(code => {
  process.exitCode = code
  // What a config module opened (a pool, a server) would keep the process alive; all is out once the streams are written.
  process.stdout.write('', () => process.stderr.write('', () => process.exit(code)))
})
