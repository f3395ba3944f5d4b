import { fileURLToPath } from 'node:url'

/** The command line, to be started with `node`. */
export const command = fileURLToPath(new URL('../src/cli.ts', import.meta.url))

const { PATH, NODE_COMPILE_CACHE } = process.env

/** What a process of the command gets of our environment: none of the variables that name a store. */
export const inherited = { PATH, NODE_COMPILE_CACHE }
