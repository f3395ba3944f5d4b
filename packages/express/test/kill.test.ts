import { setTimeout as sleep } from 'node:timers/promises'
import { cookiesOf, request } from '@sess/test-fixtures/http.ts'
import { describe, expect, it } from 'vitest'
import { KilledServer, killWhileWriting } from './killed-server.ts'

describe('a server over SQLite', () => {
  it('killed while clients write, has every confirmed change once (the long form: pnpm campaign kills) [F11]', async () => {
    await using server = await KilledServer.inTemporaryFolder()
    const { confirmed, stored } = await killWhileWriting(server, 6)
    expect(confirmed.filter(item => !stored.includes(item))).toEqual([])
    expect(new Set(stored).size).toBe(stored.length)
    expect(confirmed.length).toBeGreaterThanOrEqual(6)
  }, 120_000)

  it('stopped by SIGTERM, finishes what it has begun and ends [F29]', async () => {
    await using server = await KilledServer.inTemporaryFolder()
    const url = await server.start()
    const slow = request(`${url}/setslow?k=a&v=1&wait=200`, { method: 'POST' })
    await sleep(50)
    const code = server.end('SIGTERM')
    const response = await slow
    expect([response.status, response.setCookies.length]).toEqual([200, 1])
    expect(await code).toBe(0)
    const again = await server.start()
    const { value } = (await request(`${again}/get?k=a`, { cookie: cookiesOf(response) })).json
    expect(value).toBe(1)
  }, 20_000)
})
