import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { useTemporaryFolder } from './temporary-folder.ts'

const before = tmpdir()
afterEach(() => {
  process.env['TMPDIR'] = before
})

it('every test run has a temporary folder of its own', () => {
  expect(basename(before)).toMatch(/^sess-tmp-/)
})

it('what a process leaves in it is removed, and other users may write into it', () => {
  const remove = useTemporaryFolder()
  const folder = tmpdir()
  expect(dirname(folder)).toBe(before)
  expect(statSync(folder).mode & 0o7777).toBe(0o1777)
  const seen = execFileSync(process.execPath, ['-p', "require('node:os').tmpdir()"], { encoding: 'utf8' })
  expect(seen.trim()).toBe(folder)
  writeFileSync(join(mkdtempSync(join(folder, 'left-')), 'file'), 'x')
  remove()
  expect(existsSync(folder)).toBe(false)
})
