import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Makes one temporary folder the place for those of all processes that are started from here on. Returns a function that
 * removes it, with everything that tools leave there: Jest its cache, Chromium its profiles, a killed process all its files.
 */
export function useTemporaryFolder(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'sess-tmp-'))
  // As /tmp itself: database servers run as a user of their own.
  chmodSync(folder, 0o1777)
  process.env['TMPDIR'] = folder
  // Servers of a test that was killed may still be removing theirs.
  return () => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
}

/** For vitest's `globalSetup`, so that a single test run by hand leaves nothing either. */
export default useTemporaryFolder
