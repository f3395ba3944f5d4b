#!/usr/bin/env node
import process from 'node:process'
import { runCommand } from './command.ts'

runCommand(process.argv.slice(2), process).then(code => {
  process.exitCode = code
})
