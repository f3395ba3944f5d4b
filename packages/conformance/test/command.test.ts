import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runCommand } from '../src/command.ts'
import { runAdapterCases } from '../src/runner.ts'
import { startReference } from './reference-server.ts'

const run = promisify(execFile)
const source = join(dirname(dirname(fileURLToPath(import.meta.url))), 'src')
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sess-command-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** Runs the command and returns its exit code and what it wrote. */
async function command(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = ''
  let err = ''
  const code = await runCommand(argv, {
    stdout: { write: (text: string) => (out += text) },
    stderr: { write: (text: string) => (err += text) },
  })
  return { code, out, err }
}

async function moduleOf(name: string, code: string): Promise<string> {
  const path = join(folder, name)
  const head = `import { memoryStore } from ${JSON.stringify(join(source, 'memory-store.ts'))}\n`
  await writeFile(path, head + code)
  return path
}

describe('a right store', () => {
  test.each([
    ['a factory of a store as default export', 'export default memoryStore'],
    ['an asynchronous factory of a setup', 'export default async () => ({ store: memoryStore() })'],
    ['a store as default export', 'export default memoryStore()'],
    ['a factory called `factory`', 'export const factory = memoryStore'],
    ['a store called `store`', 'export const store = memoryStore()'],
    ['a factory within an object, as CommonJS has it', 'export default { factory: memoryStore }'],
  ])('%s: exit code 0', async (name, code) => {
    const path = await moduleOf(`${name.replace(/\W+/g, '-')}.mjs`, code)
    const { code: exit, out } = await command(path, '--filter', 'store/replace')
    expect(out).toMatch(/\n\d+ passed, 0 failed, \d+ do not apply\.\n$/)
    expect(out).toMatch(/^ 1\/\d\d {2}ok {6}store\/replace {2}/m)
    expect(exit).toBe(0)
  })
})

test('exit code 2 where no case applies: nothing was proved', async () => {
  const path = await moduleOf('nothing.mjs', 'export default memoryStore')
  const { code, out } = await command(path, '--filter', 'store/lost-insert')
  expect(out).toContain('0 passed, 0 failed')
  expect(code).toBe(2)
})

describe('a broken store', () => {
  test('exit code 1, and a report that says what, why and what it means', async () => {
    const path = await moduleOf(
      'broken.mjs',
      `export default () => {
        const store = memoryStore()
        return { ...store, replace: (id, record, version, context) => store.insert(id, record, context) ? 'ok' : store.replace(id, record, version, context) }
      }`,
    )
    const { code, out } = await command(path, '--filter', 'replace-gone')
    expect(out).toContain('BROKEN  store/replace-gone')
    expect(out).toContain('Rule      gone: there is none, and none is made.')
    expect(out).toContain('Expected  the answer of replace() after remove() to be "gone"')
    expect(out).toContain('Happened  it was "ok"')
    expect(out).toContain('Matters   A slow request would bring a logged-out session back to life.')
    expect(code).toBe(1)
  })

  test('an error of its own and a call that never ends are reported, too', async () => {
    const thrown = await moduleOf(
      'thrown.mjs',
      `export default () => ({ ...memoryStore(), read() { throw new Error('no such table') } })`,
    )
    expect((await command(thrown, '--filter', 'read-absent')).out).toContain('Error: no such table')
    const hung = await moduleOf(
      'hung.mjs',
      'export default () => ({ ...memoryStore(), read: () => new Promise(() => {}) })',
    )
    const { code, out } = await command(hung, '--filter', 'read-absent', '--timeout', '50')
    expect(out).toContain('the case was not through after 50 ms')
    expect(code).toBe(1)
  })

  test('a cookie store gets its own cases', async () => {
    const path = await moduleOf(
      'cookie.mjs',
      'export default { seal: record => btoa(JSON.stringify(record)), unseal: token => JSON.parse(atob(token)) }',
    )
    const { code, out } = await command(path)
    expect(out).toContain('BROKEN  cookie-store/other-secret')
    expect(code).toBe(1)
  })
})

describe('what was not proved closes the report', () => {
  const reports = (name: string, setup: string) =>
    moduleOf(name, `export default () => { const store = memoryStore(); return ${setup} }`)

  test('outages, where the factory cannot break the backend', async () => {
    const path = await reports('no-outage.mjs', '{ store, second: store }')
    const { code, out } = await command(path, '--filter', 'down')
    expect(out).toMatch(
      /\nOutages are NOT proved, because .* no breakBackend\(\) and healBackend\(\):\n {2}store\/down-read\n/,
    )
    expect(out).toMatch(/\nLet the factory offer both: docs\/write-a-store\.md shows how\.\n$/)
    expect(out).toContain(' 0 do not apply.\n')
    expect(code).toBe(2)
  })

  test('other processes, where it has no second store', async () => {
    const { out } = await command(await reports('no-second.mjs', '{ store }'), '--filter', 'second-store')
    expect(out).toContain('\nOther processes are NOT proved, because the factory offers no `second`')
  })

  test('calls to a backend that hangs, where the factory cannot freeze it', async () => {
    const path = await reports('no-freeze.mjs', '{ store, second: store }')
    const { out } = await command(path, '--filter', 'frozen-backend')
    expect(out).toContain(
      '\nCalls to a backend that hangs are NOT proved, because the factory offers no freezeBackend() and thawBackend():\n' +
        '  store/frozen-backend\nLet the factory offer both: docs/write-a-store.md shows how.\n',
    )
  })

  test('nothing, where it offers both', async () => {
    const all =
      '{ store, second: store, breakBackend() {}, healBackend() {}, loseAnswer() {}, module: import.meta.url }'
    const { out } = await command(await reports('all.mjs', all), '--filter', 'store/replace')
    expect(out).toMatch(/ do not apply\.\n$/)
  })
})

test('adapter: proves a process that listens', async () => {
  const { url, stop } = await startReference()
  try {
    const { code, out } = await command('adapter', url, '--filter', 'set-and-get')
    expect(out).toContain('1 passed, 0 failed')
    expect(code).toBe(0)
    const { out: all } = await command('adapter', url, '--filter', 'save')
    expect(all).toContain(
      '\nThe adapter is NOT proved, because the process that listens cannot be given options',
    )
    expect(all).toMatch(/\n {2}adapter\/save-fails\n(?: .*\n)*Only describeAdapter\(name, start\), .*\n$/)
  } finally {
    await stop()
  }
})

test('adapter: where nobody listens, no case is run', async () => {
  const { url, stop } = await startReference()
  await stop()
  const { code, out, err } = await command('adapter', url)
  expect(out).toBe('')
  expect(err).toBe(`sess-conformance: cannot reach ${url}: start the probe app first (ECONNREFUSED)\n`)
  expect(code).toBe(2)

  const report = await runAdapterCases(url, { filter: 'set-and-get' })
  expect(report.results[0]?.happened).toContain(`cannot reach ${url}: start the probe app first`)
})

describe('--seed', () => {
  /** Right for four replace(), and forgets those after them: of the twentieth alone 4 seeds of 200 never heard. */
  const forgetful = `export default () => {
    const store = memoryStore()
    let made = 0
    return { ...store, replace: (id, record, version, context) => {
      const found = store.read(id, context)
      if (found?.version === version && ++made >= 5) return 'ok'
      return store.replace(id, record, version, context)
    } }
  }`
  const expected = (out: string) => /^ {2}Expected .*/m.exec(out)?.[0]

  test('a failure of random choices names its seed, and with it fails likewise', async () => {
    const path = await moduleOf('forgetful.mjs', forgetful)
    const first = await command(path, '--filter', 'random-history')
    expect(first.code).toBe(1)
    const seed = /^ {2}Seed {6}(\d+): with --seed \1, or \{ seed: \1 \}, it is chosen again$/m.exec(
      first.out,
    )?.[1]
    const again = await command(path, '--filter', 'random-history', '--seed', String(seed))
    expect(expected(again.out)).toMatch(/in step \d+ /)
    const withoutPayload = (out: string) => expected(out)?.replace(/"is.*/, '')
    expect(withoutPayload(again.out)).toBe(withoutPayload(first.out))
    const others = await Promise.all([1, 2].map(n => command(path, '--filter', 'history', '--seed', `${n}`)))
    const [one, two] = others.map(({ out }) => /in step (\d+) /.exec(out)?.[1])
    expect(one).not.toBe(two)
  })

  test('a case without random choices has none', async () => {
    const path = await moduleOf('forgetful-too.mjs', forgetful.replace('>= 5', '>= 1'))
    const { out } = await command(path, '--filter', 'store/replace', '--seed', '7')
    expect(out).toContain('BROKEN')
    expect(out).not.toContain('Seed ')
  })
})

test.each([
  [
    'of a case, which is named',
    'of-a-case',
    `export default () => ({ ...memoryStore(), touch() { void Promise.reject(new Error('lost')); return false } })`,
    /BROKEN {2}store\/touch\n(?:.*\n)+? {2}Happened {2}nobody caught this one: Error: lost\n +at .*of-a-case.mjs/,
  ],
  [
    'of what the cases share, with its place',
    'of-shared',
    `setTimeout(() => { throw new Error('lost') }, 1)
     export default async () => { await new Promise(done => setTimeout(done, 50)); return memoryStore() }`,
    /BROKEN .*without --concurrency it is named.*nobody caught an error: Error: lost\n +at .*of-shared.mjs/,
  ],
])('--concurrency: an error that nobody caught, %s, exit code 1', async (_, name, text, said) => {
  const path = await moduleOf(`${name}.mjs`, text)
  const argv = [join(source, 'cli.ts'), path, '--filter', 'store/touch', '--concurrency', '2']
  const { stdout, code } = await run(process.execPath, argv).then(
    done => ({ ...done, code: 0 }),
    (error: { stdout: string; code: number }) => error,
  )
  expect(stdout).toMatch(said)
  expect(code).toBe(1)
})

test('--list names every case, or those of one kind', async () => {
  const all = await command('--list')
  expect(all.code).toBe(0)
  for (const id of ['store/replace-gone', 'engine/flush', 'cookie-store/bit-flips', 'adapter/redirect']) {
    expect(all.out).toContain(`${id}  `)
  }
  const adapter = await command('--list', 'adapter', '--filter', 'redirect')
  expect(adapter.out.trim().split('\n')).toHaveLength(1)
})

describe('a wrong command: exit code 2, and what to do', () => {
  test.each([
    [[], /Usage:/],
    [['--nonsense'], /--nonsense/],
    [['./there-is-none.js'], /there-is-none/],
    [['adapter'], /say where the probe app listens/],
    [['adapter', 'not a url'], /say where the probe app listens/],
    [['--list', 'nonsense'], /no cases for "nonsense"/],
    [['adapter', 'https://localhost:1'], /begins with http:\/\//],
    [['adapter', 'http://127.0.0.1:1', 'more'], /unknown argument more/],
    [['x.js', 'y.js'], /unknown argument y\.js/],
    [['adaptor', 'http://127.0.0.1:1'], /unknown argument http:/],
    [['--list', 'store', 'adapter'], /unknown argument adapter/],
    [['x.js', '--timeout', 'soon'], /--timeout/],
    [['x.js', '--concurrency', '0'], /--concurrency must be a whole number from 1 on/],
    [['x.js', '--seed', '-1'], /--seed/],
    [['x.js', '--seed=1.5'], /--seed must be a whole number/],
    [['x.js', '--seed', '4294967296'], /--seed must be a whole number/],
  ])('%j', async (argv, said) => {
    const { code, out, err } = await command(...argv)
    expect(out + err).toMatch(said)
    expect(code).toBe(2)
  })

  test('a module without a store', async () => {
    const empty = await moduleOf('empty.mjs', 'export const nothing = memoryStore')
    expect((await command(empty)).err).toContain('exports no store')
    const wrong = await moduleOf('wrong.mjs', 'export default () => ({ get() {}, set() {} })')
    expect((await command(wrong)).err).toContain('expected read, insert, replace, touch and remove')
  })
})

describe('an error that nobody caught fails the case, and the report is printed: exit code 1', () => {
  const cli = join(source, 'cli.ts')
  const spawned = async (...argv: string[]) => {
    const { stdout, stderr, code } = await run(process.execPath, [cli, ...argv]).then(
      done => ({ ...done, code: 0 }),
      (error: { stdout: string; stderr: string; code: number }) => error,
    )
    return { code, out: stdout, err: stderr }
  }

  test.each([
    ['a promise that nobody waits for', 'void Promise.reject(new Error("lost"))'],
    ['an event, later', 'setTimeout(() => { throw new Error("lost") }, 1)'],
  ])('%s', async (name, code) => {
    const path = await moduleOf(
      `${name.replace(/\W+/g, '-')}.mjs`,
      `export default () => { const store = memoryStore(); return { ...store,
        async touch(...args) { ${code}; await new Promise(done => setTimeout(done, 5)); return store.touch(...args) } } }`,
    )
    const { code: exit, out, err } = await spawned(path, '--filter', 'store/touch')
    expect(out).toContain('BROKEN  store/touch')
    expect(out).toContain('Happened  nobody caught this one: Error: lost')
    expect(out).toMatch(/\n\d+ passed, \d+ failed, /)
    expect(err).toBe('')
    expect(exit).toBe(1)
  })

  test('between the cases', async () => {
    const path = await moduleOf(
      'between.mjs',
      'export default () => ({ store: memoryStore(), cleanup() { void Promise.reject(new Error("lost")) } })',
    )
    const { code, out } = await spawned(path, '--filter', 'read-absent')
    expect(out).toContain('nobody caught')
    expect(out).toContain('Error: lost')
    expect(code).toBe(1)
  })

  test('--list ends quietly when nobody reads on', async () => {
    const line = '"$0" "$1" --list | :'
    const { stderr } = await run('bash', ['-c', line, process.execPath, cli])
    expect(stderr).toBe('')
  })
})

test('a Node that is too old is told so, before any case seems broken', async () => {
  const { engines } = JSON.parse(await readFile(join(dirname(source), 'package.json'), 'utf8'))
  let err = ''
  const console = { stdout: { write: () => true }, stderr: { write: (text: string) => (err += text) } }
  for (const node of ['20.20.2', '22.12.0']) {
    err = ''
    expect(await runCommand(['--list'], { ...console, versions: { node } })).toBe(2)
    expect(err).toBe(
      `sess-conformance: needs Node ${engines.node.replace('>=', '')} or newer, and this is Node ${node}\n`,
    )
  }
  for (const node of ['22.13.0', '23.0.0', undefined]) {
    expect(await runCommand(['--list'], { ...console, versions: { node } })).toBe(0)
  }
})

test('adapter: where something else listens, no case is run', async () => {
  const server = createServer((_req, res) => res.writeHead(404).end('not here')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  try {
    const { code, out, err } = await command('adapter', url)
    expect(out).toBe('')
    expect(err).toContain(
      `there is no probe app at ${url}: GET /none must answer 200 and "ok", but it answered 404`,
    )
    expect(code).toBe(2)
  } finally {
    server.close()
  }
})

test('a factory that throws is named', async () => {
  const path = await moduleOf('throws.mjs', 'export default () => { throw new Error("no db") }')
  const { code, err } = await command(path)
  expect(err).toBe(`sess-conformance: the factory of ${path} threw: no db\n`)
  expect(code).toBe(2)
})

test('--bail stops at the first case that fails, and the report says how many were left', async () => {
  const path = await moduleOf(
    'bail.mjs',
    'export default () => ({ ...memoryStore(), replace: () => { throw new Error("no such column") } })',
  )
  const all = await command(path, '--filter', 'store/replace')
  expect(all.out).not.toContain('Stopped at the first failure')
  const { code, out } = await command(path, '--filter', 'store/replace', '--bail')
  expect(code).toBe(1)
  expect(out.match(/^BROKEN/gm)).toHaveLength(1)
  const [, total, failed, left] =
    /^ *\d+\/(\d+)[\s\S]*\n\d+ passed, (\d+) failed[\s\S]*Stopped at the first failure: (\d+) cases were not run\.\n$/m.exec(
      out,
    ) ?? []
  expect(failed).toBe('1')
  expect(Number(left)).toBeGreaterThan(0)
  expect(Number(left)).toBe(Number(total) - out.match(/^ *\d+\/\d+ /gm)!.length)
  // An error that a call threw may have nothing to do with the rule, so the remedy says to look at it.
  expect(out).toMatch(
    /Remedy {4}A call failed, maybe one of the preparation: look at its error first\. If that does not help: /,
  )
})

test('a filter that chooses nothing is a wrong command', async () => {
  const path = await moduleOf('right.mjs', 'export default memoryStore')
  const { code, out } = await command(path, '--filter', 'no such case')
  expect(out).toContain('No case was chosen')
  expect(code).toBe(2)
})

describe('what the cases share', () => {
  test('the command ends, with its exit code, though a factory left handles open', async () => {
    const path = await moduleOf(
      'open-handles.mjs',
      `import { createServer } from 'node:net'
      createServer().listen(0, '127.0.0.1')
      setInterval(() => undefined, 1000)
      export default memoryStore`,
    )
    const cli = join(source, 'cli.ts')
    const { stdout } = await run(process.execPath, [cli, path, '--filter', 'store/replace-'], {
      timeout: 20_000,
    })
    expect(stdout).toMatch(/\n\d+ passed, 0 failed, \d+ do not apply\.\n/)
  })

  test('is closed by the teardown of the module, once and at the end', async () => {
    const path = await moduleOf(
      'teardown.mjs',
      `let closed = 0
      export default () => {
        if (closed) throw new Error('closed too early')
        return memoryStore()
      }
      export const teardown = async () => { globalThis.tornDown = ++closed }`,
    )
    const { code } = await command(path, '--filter', 'store/replace-', '--quick', '--call-timeout', '500')
    expect(code).toBe(0)
    expect((globalThis as { tornDown?: number }).tornDown).toBe(1)
  })

  test('--call-timeout is a number of milliseconds', async () => {
    const { code, err } = await command('./x.mjs', '--call-timeout', 'soon')
    expect(code).toBe(2)
    expect(err).toContain('--call-timeout must be a number of milliseconds')
  })
})
