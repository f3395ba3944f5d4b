import type { World } from './world.ts'

/** What a library does, seen from outside. It is played with express-session first, then with the facade. */
export type Scenarios = Record<string, (world: World) => unknown>
