import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import {
  redisCommand,
  requireServer,
  startMariadb,
  startPostgres,
  startRedis,
  startRedisCluster,
  startRedisSentinel,
} from './index.ts'

const TIMEOUT = 60_000

const status = (pid: number) => readFileSync(`/proc/${pid}/status`, 'utf8')
const runs = (pid: number) => existsSync(`/proc/${pid}`) && !/^State:\tZ/m.test(status(pid))

function accepts(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => {
      resolve(true)
      socket.destroy()
    })
    socket.once('error', () => resolve(false))
  })
}

const kinds = [
  ['redis', startRedis],
  ['postgres', startPostgres],
  ['mariadb', startMariadb],
] as const

for (const [kind, start] of kinds) {
  describe.skipIf(!requireServer(kind))(kind, () => {
    it('starts, dies, comes back on its port, freezes, stops and leaves nothing', {
      timeout: TIMEOUT,
    }, async () => {
      const server = await start()
      const first = server.pid
      expect(await accepts(server.port)).toBe(true)
      expect(server.url).toContain(`127.0.0.1:${server.port}`)
      expect(Object.values(server.env)).toEqual([server.url])

      await server.kill('SIGKILL')
      expect(runs(first)).toBe(false)
      // Children of a killed PostgreSQL keep its port open until they notice.
      await vi.waitFor(async () => expect(await accepts(server.port)).toBe(false), 10_000)
      await expect(server.kill('SIGKILL')).rejects.toThrow('not running')

      await server.restart()
      expect(server.pid).not.toBe(first)
      expect(await accepts(server.port)).toBe(true)

      await server.kill('SIGSTOP')
      await vi.waitFor(() => expect(status(server.pid)).toMatch(/^State:\tT/m), 10_000)
      const last = server.pid
      await server.stop()
      expect(runs(last)).toBe(false)
      expect(existsSync(server.dir)).toBe(false)
      await server.stop()
    })
  })
}

describe.skipIf(!requireServer('redis'))('cleaning up and failing over', () => {
  it('ends the server and removes its files when the test process is killed', {
    timeout: TIMEOUT,
  }, async () => {
    const module = JSON.stringify(new URL('./index.ts', import.meta.url).href)
    const program = `
      const { startRedis } = await import(${module})
      const { pid, dir } = await startRedis()
      console.log(JSON.stringify({ pid, dir }))
      setInterval(() => {}, 1000)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const line = await new Promise<string>(resolve => child.stdout.once('data', chunk => resolve(`${chunk}`)))
    const { pid, dir } = JSON.parse(line) as { pid: number; dir: string }
    expect(runs(pid)).toBe(true)
    child.kill('SIGKILL')
    await vi.waitFor(
      () => {
        expect(runs(pid)).toBe(false)
        expect(existsSync(dir)).toBe(false)
      },
      { timeout: 10_000 },
    )
  })

  it('promotes the replica of a killed cluster master', { timeout: TIMEOUT }, async () => {
    await using cluster = await startRedisCluster()
    expect(cluster.nodes).toHaveLength(6)
    const [master, , , replica] = cluster.servers
    const role = async (port: number) =>
      /role:(\w+)/.exec(await redisCommand(port, 'INFO', 'replication'))![1]
    expect(await role(master!.port)).toBe('master')
    expect(await role(replica!.port)).toBe('slave')
    await master!.kill('SIGKILL')
    while ((await role(replica!.port)) === 'slave') await sleep(50)
    await cluster.ready()
    await master!.restart()
    await cluster.ready()
    expect(await role(master!.port)).toBe('slave')
  })
})

describe.skipIf(!requireServer('redis'))('sentinel', () => {
  it('promotes the replica of a killed master', { timeout: TIMEOUT }, async () => {
    await using group = await startRedisSentinel()
    const [master, replica] = group.servers
    expect(await group.masterPort()).toBe(master!.port)
    await master!.kill('SIGKILL')
    while ((await group.masterPort()) !== replica!.port) await sleep(50)
    await redisCommand(replica!.port, 'SET', 'key', 'value')
    expect(await redisCommand(replica!.port, 'GET', 'key')).toBe('value')
  })
})

describe('a missing server', () => {
  it('skips aloud with the command that installs it, and fails where servers are required', () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    try {
      // An empty PATH hides memcached wherever it is not in sbin, as on Debian and its kin.
      vi.stubEnv('PATH', '/nonexistent')
      vi.stubEnv('SESS_REQUIRE_SERVERS', '')
      expect(requireServer('memcached')).toBe(false)
      expect(warn).toHaveBeenCalledWith(expect.stringContaining('sudo apt-get install -y memcached'))
      vi.stubEnv('SESS_REQUIRE_SERVERS', '1')
      expect(() => requireServer('memcached')).toThrow('sudo apt-get install -y memcached')
    } finally {
      warn.mockRestore()
      vi.unstubAllEnvs()
    }
  })
})
