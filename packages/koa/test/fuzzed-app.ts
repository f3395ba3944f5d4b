import { createSessions } from '@sess/core'
import { session } from '@sess/koa'
import { cacheStore } from '@sess/store-cache'
import { outcomeOf, type Run, runSteps, type Step } from '@sess/test-fixtures/handler-fuzz.ts'
import { type Running, serve } from '@sess/test-fixtures/http.ts'
import { intercept } from '@sess/test-fixtures/intercepted-store.ts'
import Koa from 'koa'

/** An app whose handlers are random steps on `ctx.res`; `delay`: turns that its store takes, or no session at all. */
export async function fuzzed(delay: number | undefined, respond: boolean): Promise<Run & Running> {
  const runs = new Map<string, { steps: readonly Step[]; events: string[]; abort(): void }>()
  const app = new Koa()
  app.silent = true
  if (delay !== undefined) {
    const store = intercept(cacheStore())
    store.before = delay === 0 ? undefined : turns(delay)
    app.use(session(createSessions({ store })))
  }
  app.use(async ctx => {
    const { steps, events, abort } = runs.get(ctx.path.slice(1))!
    const { res } = ctx
    res.on('error', error => events.push((error as NodeJS.ErrnoException).code ?? error.message))
    ctx.respond = respond
    await runSteps(steps, res, ctx.session, abort)
  })
  const server = await serve(app.callback())
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
