import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Contestant } from './contestants.ts'
import { scenarios } from './measure.ts'
import { ask, Running } from './process.ts'

const REQUESTS = 20

export interface RedisTraffic {
  framework: string
  name: string
  scenario: string
  /** Commands that the client sent for each request: round trips, for no contestant sends two at a time. */
  sent: number
  /** By name, those inside scripts marked with `in a script`. */
  commands: Record<string, number>
}

/** Counts the commands of each request. MONITOR tells, unlike `INFO commandstats`, which ones a script has called. */
export async function countCommands(contestant: Contestant, redisUrl: string): Promise<RedisTraffic[]> {
  const server = await Running.start(contestant, { REDIS_URL: redisUrl })
  const monitor = await Monitor.open(redisUrl)
  try {
    const found: RedisTraffic[] = []
    for (const { name, path, data } of scenarios.slice(0, 5)) {
      // Also the first request for a script, which loads it.
      const { cookie } = await ask(server.url, '/small')
      await ask(server.url, '/write', cookie)
      await monitor.lines(`before ${name}`)
      for (let n = 0; n < REQUESTS; n++) await ask(server.url, path, data && cookie)
      const lines = await monitor.lines(`after ${name}`)
      const commands: Record<string, number> = {}
      for (const line of lines) {
        const command = /"(\w+)"/.exec(line)![1]!.toUpperCase()
        const label = isInScript(line) ? `${command} in a script` : command
        commands[label] = (commands[label] ?? 0) + 1 / REQUESTS
      }
      const sent = lines.filter(line => !isInScript(line)).length / REQUESTS
      const { framework } = contestant
      found.push({ framework, name: contestant.name, scenario: name, sent, commands: rounded(commands) })
    }
    return found
  } finally {
    monitor.close()
    await server.stop()
  }
}

function isInScript(line: string): boolean {
  return / \[\d+ lua\] /.test(line)
}

function rounded(commands: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(commands).map(([name, count]) => [name, Number(count.toFixed(2))]))
}

/** Everything that a Redis server is asked to do. */
class Monitor {
  readonly #ear: Socket
  readonly #mouth: Socket
  #heard = ''

  private constructor(ear: Socket, mouth: Socket) {
    this.#ear = ear
    this.#mouth = mouth
    ear.on('data', chunk => {
      this.#heard += chunk
    })
    mouth.resume()
  }

  static async open(url: string): Promise<Monitor> {
    const { hostname, port } = new URL(url)
    const [ear, mouth] = [connect(Number(port), hostname), connect(Number(port), hostname)]
    await Promise.all([once(ear, 'connect'), once(mouth, 'connect')])
    ear.write('MONITOR\r\n')
    const monitor = new Monitor(ear, mouth)
    await monitor.#hear('+OK')
    return monitor
  }

  /** What was heard since the last call; `mark` is sent after all of it. */
  async lines(mark: string): Promise<string[]> {
    this.#mouth.write(`ECHO "${mark}"\r\n`)
    await this.#hear(`"${mark}"\r\n`)
    const lines = this.#heard.split('\r\n').filter(line => line.includes('"') && !line.includes('"ECHO"'))
    this.#heard = ''
    return lines
  }

  async #hear(text: string): Promise<void> {
    while (!this.#heard.includes(text)) await once(this.#ear, 'data')
  }

  close(): void {
    this.#ear.destroy()
    this.#mouth.destroy()
  }
}
