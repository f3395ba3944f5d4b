import { join } from 'node:path'
import { request } from '@sess/test-fixtures/http.ts'
import { type Program, runProgram } from '@sess/test-fixtures/program.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

describe('save() or create() that nobody waits for does not end the process', () => {
  let program: Program
  beforeAll(async () => {
    program = await runProgram(join(import.meta.dirname, 'unawaited-app.ts'))
  })
  afterAll(() => program[Symbol.asyncDispose]())

  for (const [path, status] of Object.entries({
    '/redirect': 302,
    '/finish': 200,
    '/timer': 200,
    '/timeout': 503,
    '/respond': 200,
    '/respond-fails': 503,
    '/respond-later': 200,
  })) {
    it(path, async () => {
      expect((await request(program.url + path)).status).toBe(status)
      // Long enough for its timers, and an unhandled rejection ends the process in the same turn.
      await new Promise(resolve => setTimeout(resolve, 30))
      expect((await request(program.url)).text).toBe('alive')
      expect([program.alive(), program.stderr()]).toEqual([true, ''])
    })
  }

  it('nor does a middleware above that does not wait for next()', async () => {
    // Nobody above gets the error of the save, and Koa has responded already.
    expect((await request(`${program.url}/forgotten`)).status).toBe(503)
    expect((await request(program.url)).text).toBe('alive')
    expect([program.alive(), program.stderr()]).toEqual([true, ''])
  })
})
