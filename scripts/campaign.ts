// Runs one long campaign, or lists them: `pnpm campaign [name] [arguments]`. A campaign is a file
// `packages/*/campaign/<name>.ts` or `bench/campaign/<name>.ts`.
import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { basename, join } from 'node:path'
import { root } from './workspace.ts'

const [name, ...args] = process.argv.slice(2)
const files = globSync(['packages/*/campaign/*.ts', 'bench/campaign/*.ts'], { cwd: root }).sort()
const found = files.filter(file => basename(file, '.ts') === name)

if (found.length === 1) {
  const child = spawn(process.execPath, [join(root, found[0]!), ...args], { cwd: root, stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  child.on('exit', code => {
    process.exitCode = code ?? 1
  })
} else {
  if (found.length > 1) console.error(`Two campaigns have the name ${name}: ${found.join(', ')}`)
  else if (name !== undefined) console.error(`There is no campaign ${name}.`)
  console.log('Campaigns (pnpm campaign <name>):')
  for (const file of files) console.log(`  ${basename(file, '.ts').padEnd(20)} ${file}`)
  process.exitCode = name === undefined ? 0 : 1
}
