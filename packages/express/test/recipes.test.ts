import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { cookiesOf, request } from '@sess/test-fixtures/http.ts'
import { type Program, runProgram } from '@sess/test-fixtures/program.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

/** The recipes of docs/running.md, run as they stand there. */
describe('docs/running.md', () => {
  const packageFolder = dirname(import.meta.dirname)
  const page = readFileSync(join(packageFolder, '../../docs/running.md'), 'utf8')
  const blocks = [...page.matchAll(/^```ts(?: file=(\S+))?\n([\s\S]*?)^```$/gm)]
  const [, , server = ''] = blocks.find(([, file]) => file === 'server.ts')!
  const [, , job = ''] = blocks.find(([, , code]) => code!.includes('saveLater'))!
  // What the test needs besides.
  const more = `
    app.get('/slow', async (req, res) => {
      console.log('slow')
      await new Promise(resolve => setTimeout(resolve, 500))
      req.session.set('slow', req.query.by)
      res.send('done')
    })
    app.post('/logout', (req, res) => {
      req.session.flush()
      res.send('bye')
    })`

  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sess-recipes-'))
    await mkdir(join(folder, 'node_modules/@sess'), { recursive: true })
    for (const name of ['express', '@sess/core', '@sess/store-sql']) {
      await symlink(join(packageFolder, 'node_modules', name), join(folder, 'node_modules', name), 'dir')
    }
    await symlink(packageFolder, join(folder, 'node_modules/@sess/express'), 'dir')
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
    await writeFile(join(folder, 'server.ts'), server + more)
    await writeFile(join(folder, 'job.ts'), `${server}${more}\n${job}`)
    for (const [, file, code] of blocks) {
      if (file && file !== 'server.ts') await writeFile(join(folder, file), code!)
    }
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  const run = (file: string): Promise<Program> => runProgram(file, { cwd: folder, env: { PORT: '0' } })
  const login = async ({ url }: Program): Promise<string> =>
    cookiesOf(await request(`${url}/login`, { method: 'POST' }))
  const data = async ({ url }: Program, cookie: string): Promise<unknown> =>
    (await request(url, { cookie })).json

  // Each program is started once, because that takes most of the time: the next one looks at what the last one saved.
  let cookie: string

  it.each([
    ['server.ts', 'one process'],
    ['cluster.ts', 'workers of node:cluster'],
  ])('SIGTERM: %s (%s) sends the response that is under way, saves its session and ends', async file => {
    await using program = await run(file)
    if (cookie) expect(await data(program, cookie)).toEqual({ userId: 42, slow: 'server.ts' })
    cookie = await login(program)
    const slow = request(`${program.url}/slow?by=${file}`, { cookie })
    await program.line('slow')
    expect(await program.stop('SIGTERM')).toEqual({ code: 0, signal: null })
    expect((await slow).text).toBe('done')
  })

  it('a job saves after the response, and nothing once the user has logged out', async () => {
    await using program = await run('job.ts')
    expect(await data(program, cookie)).toEqual({ userId: 42, slow: 'cluster.ts' })
    cookie = await login(program)
    const asked = await request(`${program.url}/report`, { method: 'POST', cookie })
    expect([asked.status, asked.setCookies]).toEqual([202, []])
    expect(await data(program, cookie)).toEqual({ userId: 42 })
    while (!('report' in ((await data(program, cookie)) as object))) await sleep(20)
    expect(await data(program, cookie)).toEqual({ userId: 42, report: 'ready' })
    // The log-out comes while the report is made.
    const other = await login(program)
    await request(`${program.url}/report`, { method: 'POST', cookie: other })
    await request(`${program.url}/logout`, { method: 'POST', cookie: other })
    await sleep(200)
    expect(await data(program, other)).toEqual({})
    expect(program.stderr()).toBe('')
  })
})
