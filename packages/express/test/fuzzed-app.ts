import { createSessions } from '@sess/core'
import { session } from '@sess/express'
import { cacheStore } from '@sess/store-cache'
import { outcomeOf, type Run, runSteps, type Step } from '@sess/test-fixtures/handler-fuzz.ts'
import { type Running, serve } from '@sess/test-fixtures/http.ts'
import { intercept } from '@sess/test-fixtures/intercepted-store.ts'
import compression from 'compression'
import express from 'express'

/** An app whose handlers are random steps; `delay`: turns that its store takes, or no session at all. */
export async function fuzzed(
  delay: number | undefined,
  compressed: 'above' | 'below' | 'no' = 'no',
): Promise<Run & Running> {
  const runs = new Map<string, { steps: readonly Step[]; events: string[]; abort(): void }>()
  const app = express().set('env', 'test').disable('etag')
  if (compressed === 'above') app.use(compression())
  if (delay !== undefined) {
    const store = intercept(cacheStore())
    store.before = delay === 0 ? undefined : turns(delay)
    app.use(session(createSessions({ store })))
  }
  if (compressed === 'below') app.use(compression())
  app.use(async (req, res) => {
    const { steps, events, abort } = runs.get(req.path.slice(1))!
    res.on('error', error => events.push((error as NodeJS.ErrnoException).code ?? error.message))
    await runSteps(steps, res, req.session, abort)
  })
  const server = await serve(app)
  let count = 0
  return {
    ...server,
    async ask(steps, patience) {
      const id = String(count++)
      const { promise, resolve } = Promise.withResolvers<void>()
      const events: string[] = []
      runs.set(id, { steps, events, abort: resolve })
      const outcome = await outcomeOf(`${server.url}/${id}`, promise, patience)
      runs.delete(id)
      return { ...outcome, events }
    },
  }
}

function turns(count: number): () => Promise<void> {
  return async () => {
    for (let n = 0; n < count; n++) await new Promise(resolve => setImmediate(resolve))
  }
}
