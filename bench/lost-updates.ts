import type { Contestant } from './contestants.ts'
import { ask, Running } from './process.ts'

const WRITERS = 200

export interface LostUpdates {
  framework: string
  name: string
  /** Of 200 appends to one list of one session, all at once. */
  lost: number
}

/** Appends 200 times at once with one cookie, as a browser with 200 tabs would, and counts what is there then. */
export async function countLostUpdates(
  contestant: Contestant,
  env: Record<string, string>,
): Promise<LostUpdates> {
  const { framework, name } = contestant
  const server = await Running.start(contestant, env)
  try {
    let { cookie } = await ask(server.url, '/small')
    const sent = cookie
    const append = async (): Promise<void> => {
      const answer = await ask(server.url, '/append', sent)
      // The browser keeps what came last.
      cookie = answer.cookie ?? cookie
    }
    await Promise.all(Array.from({ length: WRITERS }, append))
    const { text } = await ask(server.url, '/count', cookie)
    return { framework, name, lost: WRITERS - Number(text) }
  } finally {
    await server.stop()
  }
}
