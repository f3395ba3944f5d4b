import { createServer, type RequestListener } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { cacheStore } from '@sess/store-cache'
import connect from 'connect'
import express from 'express'
import { describe, expect, it } from 'vitest'
import session from '../src/index.ts'

// The frameworks that express-session's middleware is mounted in.

const require = createRequire(import.meta.url)
const express4 = require('express-4') as typeof express

function sessions() {
  return session({ secret: 'x', store: cacheStore(), resave: false, saveUninitialized: false })
}

function count(req: any, res: any): void {
  req.session.n = (req.session.n ?? 0) + 1
  res.end(String(req.session.n))
}

const hosts: Record<string, () => RequestListener> = {
  'Express 5': () => express().use(sessions()).use(count),
  'Express 4': () => express4().use(sessions()).use(count),
  'a router of Express': () => express().use(express.Router().use(sessions()).get('/', count)),
  'a route of Express': () => express().get('/', sessions(), count),
  connect: () => connect().use(sessions()).use(count) as RequestListener,
  'node:http': () => {
    const middleware = sessions()
    return (req, res) => middleware(req, res, () => count(req, res))
  },
}

describe.each(Object.entries(hosts))('%s', (_, listener) => {
  it('keeps a session', async () => {
    const server = createServer(listener())
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
      const first = await fetch(url)
      const cookie = first.headers.getSetCookie()[0]!.split(';')[0]!
      expect(await first.text()).toBe('1')
      expect(await (await fetch(url, { headers: { cookie } })).text()).toBe('2')
    } finally {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    }
  })
})

describe('what has no response', () => {
  it.each([
    ['an empty object, as in recipes for WebSockets', {}],
    ['a response without events', { writeHead: () => undefined, end: () => undefined }],
  ])('%s: the session is opened, and can be saved', async (_, res) => {
    const middleware = sessions()
    const run = (headers: object): Promise<any> =>
      new Promise(resolve => {
        const req = { headers, url: '/', socket: { once: () => undefined } }
        middleware(req, { ...res }, () => resolve(req))
      })
    const req = await run({})
    req.session.user = 'ada'
    await req.session.save()
    const again = await new Promise<any>(resolve =>
      req.sessionStore.load(req.sessionID, (_e: any, s: any) => resolve(s)),
    )
    expect(again.user).toBe('ada')
  })
})
