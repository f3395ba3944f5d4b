#!/usr/bin/env node
import process from 'node:process'
import { runCommand } from './command.ts'

// `sess-conformance --list | head`: nobody reads on. The status is that of a program which the signal SIGPIPE ended.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(141)
})

runCommand(process.argv.slice(2), process).then(code => {
  process.exitCode = code
  // What the factory shares between cases (a pool, a server) would keep the process alive; the report is out once the
  // streams are written.
  process.stdout.write('', () => process.stderr.write('', () => process.exit(code)))
})
