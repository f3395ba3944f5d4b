import { createSessions } from '@sess/core'
import { session } from '@sess/h3-v1'
import { cacheStore } from '@sess/store-cache'
import { serve } from '@sess/test-fixtures/http.ts'
import { createApp, eventHandler, toNodeListener } from 'h3'
import { describe, expect, it } from 'vitest'

describe('the middleware has its engine', () => {
  it('as `sessions`, which finds what a request saved, and cannot be replaced', async () => {
    const sess = session({ store: cacheStore() })
    const app = createApp()
    app.use(sess)
    app.use(
      eventHandler(event => {
        event.context.session.subject = 'ada'
        return 'ok'
      }),
    )
    await using server = await serve(toNodeListener(app))
    await fetch(server.url)
    const info = await Array.fromAsync(sess.sessions.scanBySubject('ada'))
    expect(info.map(({ subject }) => subject)).toEqual(['ada'])
    expect(() => Object.assign(sess, { sessions: undefined })).toThrow(TypeError)
  })

  it('which notes the user agent and the address at a login, with `devices: true`', async () => {
    const sess = session({ store: cacheStore(), devices: true })
    const app = createApp()
    app.use(sess)
    app.use(
      eventHandler(event => {
        event.context.session.subject = 'ada'
        return 'ok'
      }),
    )
    await using server = await serve(toNodeListener(app))
    await fetch(server.url, { headers: { 'user-agent': 'Firefox' } })
    const [device] = await sess.sessions.list('ada')
    expect(device?.device).toEqual({ userAgent: 'Firefox', ip: '127.0.0.1' })
  })

  it('the one that was given', () => {
    const sessions = createSessions({ store: cacheStore() })
    expect(session(sessions).sessions).toBe(sessions)
  })
})
