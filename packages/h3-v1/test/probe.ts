import { session } from '@sess/h3-v1'
import { serve } from '@sess/test-fixtures/http.ts'
import { probeSessions, runProbe, type StartProbe } from '@sess/test-fixtures/probe.ts'
import { createApp, eventHandler, isEvent, send, setResponseStatus, toNodeListener, useBase } from 'h3'
import { middlewareOf, probeHandler } from './probe-app.ts'

/** The probe app on h3 1: `STORE=sqlite PORT=3000 node packages/h3-v1/test/probe.ts`. */
export const start: StartProbe = async (options = {}, port = 0, ways = {}) => {
  const { inner, sameProperty, certificate, hook, twice, under } = ways
  const sessions = await probeSessions(options)
  const app = createApp({
    async onError(error, event) {
      // An address that is none must not throw here, where nobody would catch it.
      const mapped = new URLSearchParams(event.path.split('?')[1]).get('mapped')
      if (mapped === null) return
      setResponseStatus(event, Number(mapped))
      await send(event, error.message)
    },
  })
  app.use(
    '/set',
    eventHandler(event => {
      if (!event.path.includes('mapped=')) return
      setResponseStatus(event, 501)
      return 'h3 has finished when a save fails: the adapter sends the status by itself (README)'
    }),
  )
  if (hook) app.use(eventHandler(middlewareOf(hook)))
  app.use(session(sessions))
  if (twice) app.use(session(sessions))
  if (hook) app.use(eventHandler(middlewareOf(hook)))
  if (inner) app.use(session(await probeSessions(inner), sameProperty ? {} : { property: 'inner' }))
  app.use(eventHandler(probeHandler(sessions)))
  const root = under === undefined ? app : createApp().use(under, useBase(under, app.handler))
  return { ...(await serve(toNodeListener(root), port, certificate)), isRequest: isEvent }
}

if (import.meta.main) await runProbe(start)
