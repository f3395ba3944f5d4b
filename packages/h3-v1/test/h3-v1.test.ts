import { session } from '@sess/h3-v1'
import { describeEngine } from '@sess/test-fixtures/adapter-engine.ts'
import { serve } from '@sess/test-fixtures/http.ts'
import { createApp, eventHandler, toNodeListener } from 'h3'

describeEngine(
  session,
  async (sess, headers) => {
    const app = createApp()
    app.use(sess)
    app.use(
      eventHandler(event => {
        event.context.session.subject = 'ada'
        return 'ok'
      }),
    )
    await using server = await serve(toNodeListener(app))
    await fetch(server.url, { headers })
  },
  '127.0.0.1',
)
