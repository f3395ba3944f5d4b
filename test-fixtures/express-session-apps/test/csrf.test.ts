import type { Program } from '@sess/test-fixtures/program.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { libraries, runApp } from './libraries.ts'
import { Visitor } from './visitor.ts'

describe.each(libraries)('CSRF tokens on $name', ({ env }) => {
  let app: Program
  beforeAll(async () => {
    app = await runApp('csrf.mjs', env)
  })
  afterAll(() => app?.[Symbol.asyncDispose]())

  const tokenOf = async (visitor: Visitor, path: string): Promise<string> => {
    const { token } = (await visitor.go(`${app.url}${path}/token`)).json()
    expect(token).toMatch(/.{20}/)
    return token
  }
  const post = (visitor: Visitor, path: string, token: string): Promise<{ status: number; text: string }> =>
    visitor.go(app.url + path, { method: 'POST', headers: { 'x-csrf-token': token } })

  it.each([['/csrf-sync'], ['/csrf-csrf'], ['/lusca']])(
    '%s takes the token of this session alone',
    async path => {
      const visitor = new Visitor()
      const token = await tokenOf(visitor, path)
      expect(await post(visitor, path, token)).toMatchObject({ status: 200, text: 'done' })
      expect(await post(visitor, path, token)).toMatchObject({ status: 200, text: 'done' })
      expect(await post(visitor, path, '')).toMatchObject({ status: 403 })

      const other = new Visitor()
      await tokenOf(other, path)
      expect(await post(other, path, token)).toMatchObject({ status: 403 })
    },
  )

  it.each([['/csrf-sync'], ['/csrf-csrf'], ['/lusca']])(
    '%s takes no token from before the session was regenerated',
    async path => {
      const visitor = new Visitor()
      const token = await tokenOf(visitor, path)
      expect(await post(visitor, '/regenerate', '')).toMatchObject({ status: 200 })
      expect(await post(visitor, path, token)).toMatchObject({ status: 403 })
    },
  )

  it('csrf-sync: the token stays until it is replaced or revoked', async () => {
    const visitor = new Visitor()
    const first = await tokenOf(visitor, '/csrf-sync')
    expect(await tokenOf(visitor, '/csrf-sync')).toBe(first)
    const { token } = (await visitor.go(`${app.url}/csrf-sync/token?fresh`)).json()
    expect(token).not.toBe(first)
    expect(await post(visitor, '/csrf-sync', first)).toMatchObject({ status: 403 })
    expect(await post(visitor, '/csrf-sync/revoke', token)).toMatchObject({ text: 'revoked' })
    expect(await post(visitor, '/csrf-sync', token)).toMatchObject({ status: 403 })
  })

  it('lusca sets its other headers', async () => {
    const { headers } = await new Visitor().go(`${app.url}/lusca/token`)
    expect(headers.get('content-security-policy')).toContain("default-src 'self'")
    expect(headers.get('x-content-type-options')).toBe('nosniff')
  })
})
