import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
const INSTALL = 'No Chromium was found. Install it: sudo apt-get install -y chromium (or set CHROMIUM_PATH)'

/**
 * Whether there is a browser to test with. Without one it says on stderr what to install, or throws when
 * `SESS_REQUIRE_SERVERS=1` (CI).
 */
export function requireChromium(): boolean {
  if (findChromium() !== undefined) return true
  if (process.env['SESS_REQUIRE_SERVERS'] === '1') throw new Error(INSTALL)
  console.warn(`TESTS SKIPPED. ${INSTALL}`)
  return false
}

/** Starts Chromium without a window. `args` are further switches, such as `--host-resolver-rules=…`. */
export async function launchChromium(...args: string[]): Promise<Browser> {
  const executablePath = findChromium()
  if (executablePath === undefined) throw new Error(INSTALL)
  const always = ['--no-sandbox', '--disable-gpu', '--disable-background-networking']
  return chromium.launch({ executablePath, args: [...always, ...args] })
}

function findChromium(): string | undefined {
  const { CHROMIUM_PATH, PATH = '' } = process.env
  if (CHROMIUM_PATH) return CHROMIUM_PATH
  const folders = [...PATH.split(delimiter), '/usr/bin', '/usr/local/bin', '/snap/bin']
  return folders.flatMap(folder => NAMES.map(name => join(folder, name))).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
