import { describeCookieStore } from '@sess/conformance/vitest'
import type { CookieStore } from '@sess/core'
import { expect, test, vi } from 'vitest'
import { encryptedCookieStore, signedCookieStore } from '../src/index.ts'

// Web Crypto, as on Workers; the engine behind both is chosen by a condition of core's package.json.
vi.mock('../../core/src/crypto-node.ts', () => import('../../core/src/crypto-web.ts'))

describeCookieStore('encrypted cookie, Web Crypto', () => ({ store: encryptedCookieStore() }))
describeCookieStore('signed cookie, Web Crypto', () => ({ store: signedCookieStore() }))

const now = 1_700_000_000_000
const context = { name: 'sessionid', secrets: ['Zk3vQ9nW1rT7yB5mX8cL2pD6sF4hJ0gA'], now }

test('tokens made by Node and by Web Crypto are opened by the other', async () => {
  vi.resetModules()
  vi.doUnmock('../../core/src/crypto-node.ts')
  const onNode = await import('../src/index.ts')
  const pairs: [CookieStore, CookieStore][] = [
    [encryptedCookieStore(), onNode.encryptedCookieStore()],
    [signedCookieStore(), onNode.signedCookieStore()],
    [signedCookieStore({ django: true }), onNode.signedCookieStore({ django: true })],
  ]
  const record = { payload: `{"k":"${'a'.repeat(300)}"}`, expiresAt: now + 1_209_600_000 }
  for (const [web, node] of pairs) {
    const [webToken, nodeToken] = [web.seal(record, context), node.seal(record, context)]
    expect(webToken).toBeInstanceOf(Promise)
    expect(typeof nodeToken).toBe('string')
    expect(await web.unseal(nodeToken as string, context)).toEqual(record)
    expect(node.unseal(await webToken, context)).toEqual(record)
    expect(await web.unseal('x:y:z', context)).toBeNull()
    expect(await web.unseal(`${(nodeToken as string).slice(0, -4)}AAAA`, context)).toBeNull()
  }
})
