import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSessions, type Session, type Sessions, type Store } from '@sess/core'
import { isReceipt, movingStore } from '@sess/store-moving'
import { command, inherited } from './command.ts'

/** A store as the command names it, and as a site opens it. */
export interface Place {
  name: string
  url: string
  store: Store
}

export interface LegOptions {
  from: Place
  to: Place
  /** Users who click all the time. */
  browsers: number
  /** Sessions that nobody uses meanwhile. */
  idle: number
  /** Milliseconds for which both sites are used. */
  ms: number
  /** How often the command is killed meanwhile. */
  kills: number
  /** The new site: on `movingStore`, or on the new store alone. */
  newSite: 'moving' | 'plain'
  random: () => number
  /** Runs the command line once, with these variables. Throws unless the exit code is 0. */
  run(args: readonly string[], env: Record<string, string>): Promise<void>
}

export interface LegResult {
  requests: number
  logouts: number
  kills: number
}

/** A user with a cookie, who knows what the session must hold. */
class Browser {
  readonly user: string
  cookie: string | undefined
  items: number[] = []
  #next = 0

  constructor(user: string) {
    this.user = user
  }

  /** One request, as an adapter serves it. Throws if the session is not what this user left. */
  async request(site: Sessions, does: 'login' | 'add' | 'look' | 'rotate' | 'logout'): Promise<void> {
    const session: Session = site.open(this.cookie && `sessionid=${this.cookie}`)
    await session.load()
    const expected = this.cookie === undefined ? null : this.items
    const found = session.get('items', null) as number[] | null
    if (JSON.stringify(found) !== JSON.stringify(expected)) {
      throw new Error(
        `${this.user} should find ${JSON.stringify(expected)}, and found ${JSON.stringify(found)}.`,
      )
    }
    if (does === 'login') {
      session.cycleKey()
      session.subject = this.user
      session.set('items', [])
      this.items = []
    } else if (does === 'add') {
      const item = this.#next++
      session.update('items', (items: unknown) => [...(items as number[]), item])
      this.items = [...this.items, item]
    } else if (does === 'rotate') session.cycleKey()
    else if (does === 'logout') session.flush()
    const { setCookies } = await site.commit(session, { status: 200 })
    for (const line of setCookies) this.cookie = /^sessionid=([^;]+)/.exec(line)?.[1]
    if (does === 'logout') this.cookie = undefined
  }
}

/**
 * Moves sessions from one store to the other while an old and a new site are used, and the command is killed and started again. Throws
 * if a session or an item is lost, a logout is undone, or a subject or an expiry has changed.
 */
export async function moveLeg(options: LegOptions): Promise<LegResult> {
  const { from, to, random, newSite } = options
  // The machine may be busy. A store that hangs is still found.
  const open = (store: Store) => createSessions({ store, timeout: 60_000 })
  const oldSite = open(from.store)
  const during = newSite === 'moving' ? movingStore({ from: from.store, to: to.store }) : to.store
  const site = open(during)
  const env = { SESS_FROM: from.url, SESS_TO: to.url }
  const result: LegResult = { requests: 0, logouts: 0, kills: 0 }
  const ended: string[] = []

  const idle: { key: string; subject: string; expiresAt: number }[] = []
  for (let n = 0; n < options.idle; n++) {
    const session = oldSite.open()
    await session.load()
    session.set('n', n)
    session.subject = `idle-${n}`
    session.setExpiry(3_600 + n * 1_000)
    await oldSite.commit(session, { status: 200 })
    const [entry] = await Array.fromAsync(from.store.scanBySubject!(`idle-${n}`))
    idle.push({ key: session.sessionKey!, subject: `idle-${n}`, expiresAt: entry!.expiresAt })
  }
  const browsers = Array.from({ length: options.browsers }, (_, n) => new Browser(`user-${n}`))
  for (const browser of browsers) await browser.request(oldSite, 'login')

  const moving = keepRunning(env)
  const until = performance.now() + options.ms
  const killer = (async () => {
    for (let n = 0; n < options.kills; n++) {
      await sleep((options.ms / (options.kills + 1)) * (0.5 + random()))
      if (await moving.kill()) result.kills += 1
    }
  })()
  const use = async (browser: Browser, sites: Sessions[]): Promise<void> => {
    // A busy machine takes longer for enough requests.
    while (performance.now() < until || result.requests < 5 * options.browsers) {
      const [where, what] = [random(), random()]
      const target = sites[Math.floor(where * sites.length)]!
      const does =
        browser.cookie === undefined
          ? 'login'
          : what < 0.5
            ? 'add'
            : what < 0.8
              ? 'look'
              : what < 0.92
                ? 'rotate'
                : 'logout'
      if (does === 'logout') {
        result.logouts += 1
        ended.push(browser.cookie!)
      }
      await browser.request(target, does)
      result.requests += 1
      await sleep(random() * 10)
    }
  }
  // On the new store alone, only who has been copied may come: here the old site is used first, and the new one after a walk.
  const sites = newSite === 'moving' ? [oldSite, site] : [oldSite]
  try {
    await Promise.all([killer, ...browsers.map(browser => use(browser, sites))])
  } finally {
    await moving.stop()
  }
  await options.run(['move', '--quiet'], env)

  const alone = open(to.store)
  for (const browser of browsers) {
    if (browser.cookie !== undefined) await browser.request(alone, 'add')
  }
  // After the switch, half of them log out on the new site, and one in four on the old one, which still runs.
  const gone: string[] = []
  for (const [n, browser] of browsers.entries()) {
    if (browser.cookie === undefined || n % 4 === 3) continue
    const where = n % 4 === 2 ? oldSite : alone
    gone.push(browser.cookie)
    if (where === oldSite) await oldSite.delete(browser.cookie)
    else await browser.request(alone, 'logout')
    if (where === oldSite) browser.cookie = undefined
  }
  await options.run(['move', '--quiet'], env)
  for (const key of [...ended, ...gone]) {
    for (const [name, each] of [
      ['old', oldSite],
      ['new', alone],
    ] as const) {
      if (await each.exists(key)) throw new Error(`A session that had ended is on the ${name} site again.`)
    }
  }

  await options.run(['move', '--quiet', '--finish', '--yes'], env)
  for await (const { id } of from.store.scan!()) throw new Error(`The old store still has ${id}.`)
  for await (const { payload } of to.store.scan!()) {
    if (isReceipt(payload)) throw new Error('The new store still has a receipt.')
  }
  for (const browser of browsers) {
    if (browser.cookie !== undefined) await browser.request(alone, 'look')
  }
  for (const [n, { key, subject, expiresAt }] of idle.entries()) {
    const session = alone.open(`sessionid=${key}`)
    await session.load()
    if (session.get('n', null) !== n) throw new Error(`The idle session ${n} is lost.`)
    if (session.subject !== subject) throw new Error(`The idle session ${n} lost its subject.`)
    const [entry] = await Array.fromAsync(to.store.scanBySubject!(subject))
    if (entry === undefined || Math.abs(entry.expiresAt - expiresAt) > 1_000) {
      throw new Error(`The idle session ${n} is not found by its subject, or ends at another time.`)
    }
    await alone.delete(key)
  }
  for (const browser of browsers) if (browser.cookie !== undefined) await alone.delete(browser.cookie)
  return result
}

/** The command with `--every`, started again whenever it was killed. */
function keepRunning(env: Record<string, string>) {
  let isWanted = true
  let child: ChildProcess
  let exited: Promise<unknown>
  let problem = ''
  const start = () => {
    child = spawn(process.execPath, [command, 'move', '--every', '1s', '--quiet'], {
      env: { ...inherited, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    child.stderr?.on('data', text => {
      problem += text
    })
    exited = once(child, 'exit')
  }
  start()
  return {
    /** Returns whether it was running. */
    async kill(): Promise<boolean> {
      const killed = child.exitCode === null && child.kill('SIGKILL')
      await exited
      if (isWanted) start()
      return killed
    },
    async stop(): Promise<void> {
      isWanted = false
      child.kill('SIGTERM')
      await exited
      if (problem) throw new Error(`sess move said: ${problem}`)
    },
  }
}
