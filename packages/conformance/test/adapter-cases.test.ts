import type { Session } from '@sess/core'
import { describe, expect, test } from 'vitest'
import { formatFailure, formatReport } from '../src/report.ts'
import { runAdapterCases } from '../src/runner.ts'
import type { Reply } from './reference-app.ts'
import { type Out, ReferenceAdapter } from './reference-probe.ts'
import { referenceWays, startReference } from './reference-server.ts'

/** The ids of the cases that reject an adapter. */
async function rejecting(Adapter: typeof ReferenceAdapter, filter?: string): Promise<string[]> {
  const { results } = await runAdapterCases(options => startReference(options, Adapter), { filter })
  return results.filter(({ status }) => status === 'failed').map(({ id }) => id)
}

/** Adds to a header of the app without a look at what it says. */
const appended = (name: string, value: string) =>
  class extends ReferenceAdapter {
    override headers(reply: Reply, out: Out) {
      const headers = super.headers(reply, out)
      const own = reply.headers[name]
      return own === undefined ? headers : { ...headers, [name]: `${own}, ${value}` }
    }
  }

test('an adapter that appends `private` to whatever Cache-Control says is rejected', async () => {
  expect(await rejecting(appended('cache-control', 'private'), 'own-')).toEqual(['adapter/own-public'])
})

test('an adapter that appends `Cookie` to whatever Vary says is rejected', async () => {
  expect(await rejecting(appended('vary', 'Cookie'), 'own-')).toEqual([
    'adapter/own-vary-any',
    'adapter/own-vary-alike',
  ])
})

describe('the status that an error handler of the app chooses', () => {
  /** Commits what was thrown with the status that the error itself has, as if the app had no say. */
  class ByTheError extends ReferenceAdapter {
    #own = new WeakMap<Reply, number>()
    override failed(error: unknown): Reply {
      const reply = super.failed(error)
      this.#own.set(reply, (error as { status?: number }).status ?? 500)
      return reply
    }
    override async commit(session: Session, reply: Reply): Promise<Out> {
      return await super.commit(session, { ...reply, status: this.#own.get(reply) ?? reply.status })
    }
  }

  test('an adapter that goes by the status of the error is rejected, by those cases alone', async () => {
    expect(await rejecting(ByTheError)).toEqual(['adapter/thrown-mapped', 'adapter/thrown-unusual'])
  })

  test('an adapter that cannot know it says so', async () => {
    class Declares extends ReferenceAdapter {
      override async reply(...args: Parameters<ReferenceAdapter['reply']>): Promise<Reply> {
        const asked = args[0].url?.includes('mapped=')
        return asked ? { status: 501, headers: {}, body: 'by design' } : await super.reply(...args)
      }
    }
    const { results } = await runAdapterCases(options => startReference(options, Declares), {
      filter: 'thrown-mapped',
    })
    expect(results.map(({ status, reason }) => [status, reason])).toEqual([['skipped', 'by design']])
  })
})

test('middleware above that can only change the finished response says so', async () => {
  class AtTheEnd extends ReferenceAdapter {
    override async handler(...[req, ...others]: Parameters<ReferenceAdapter['handler']>): Promise<Reply> {
      const isAsked = req.url === '/none?above'
      return isAsked ? { status: 501, headers: {}, body: 'by design' } : await super.handler(req, ...others)
    }
  }
  const { results } = await runAdapterCases(options => startReference(options, AtTheEnd), {
    ...referenceWays(AtTheEnd),
    filter: 'hook-public',
  })
  expect(results.map(({ status, reason }) => [status, reason])).toEqual([['skipped', 'by design']])
})

test('options in a third argument are an error that says where they go', () => {
  const run = runAdapterCases as (...args: unknown[]) => unknown
  expect(() => run(startReference, referenceWays(), { timeout: 1_000 })).toThrow(
    /takes two arguments: the target, and one object with all options/,
  )
})

test('a probe app without POST /own-headers is rejected, for nothing else proves that headers are merged', async () => {
  class Without extends ReferenceAdapter {
    override async reply(...args: Parameters<ReferenceAdapter['reply']>): Promise<Reply> {
      const missing = args[0].url?.startsWith('/own-headers')
      return missing ? { status: 404, headers: {}, body: '' } : await super.reply(...args)
    }
  }
  expect(await rejecting(Without, 'own-headers')).toEqual(['adapter/own-headers'])
})

describe('a way to start the app that is not offered', () => {
  const ways = Object.keys(referenceWays()) as (keyof ReturnType<typeof referenceWays>)[]
  const cases = /^adapter\/(?:https-|proxy-|hook-|one-engine-twice|two-engines|under-)/

  test('is named as not proved, with its cases, and how to offer it', async () => {
    const report = await runAdapterCases(options => startReference(options), { filter: cases })
    const text = formatReport(report)
    for (const way of ways) {
      expect(text).toContain(` NOT proved, because no \`${way}\` was given, which starts the probe app `)
      expect(text).toContain(`Give describeAdapter \`${way}\` in its last argument`)
    }
    // A header that nobody trusts needs nothing.
    expect(report.results.filter(({ status }) => status !== 'skipped').map(({ id }) => id)).toEqual([
      'adapter/proxy-untrusted',
    ])
  })

  test.each(ways)('leaves out no other case: %s', async way => {
    const report = await runAdapterCases(options => startReference(options), {
      ...referenceWays(),
      [way]: undefined,
      filter: cases,
    })
    const skipped = report.results.filter(({ status }) => status !== 'passed')
    expect(skipped.length).toBeGreaterThan(0)
    for (const { reason } of skipped) expect(reason).toContain(`no \`${way}\` was given`)
  })
})

describe('a mistake of the probe app is named as one', () => {
  const failureOf = async (Adapter: typeof ReferenceAdapter, id: string) => {
    const { results } = await runAdapterCases(options => startReference(options, Adapter), {
      ...referenceWays(Adapter),
      filter: new RegExp(`^${id} `),
    })
    return results.map(result => formatFailure(result)).join('\n')
  }

  test('middleware below the session that gets none', async () => {
    class WithoutSession extends ReferenceAdapter {
      override async step(req: Parameters<ReferenceAdapter['step']>[0]) {
        return await super.step(req)
      }
    }
    const text = await failureOf(WithoutSession, 'adapter/hook-headers')
    expect(text).toContain('the middleware below the session to get the session')
    expect(text).toContain('pass the session as second argument of `hook`')
  })

  test('a type of the body that it does not accept', async () => {
    class OnlyJson extends ReferenceAdapter {
      override async handle(...[req, res]: Parameters<ReferenceAdapter['handle']>) {
        const isAccepted = [undefined, 'application/json'].includes(req.headers['content-type'])
        if (isAccepted) await super.handle(req, res)
        else res.writeHead(415).end()
      }
    }
    const text = await failureOf(OnlyJson, 'adapter/with-body')
    expect(text).toContain('the probe app to accept a body of any type')
    expect(text).toContain('addContentTypeParser')
  })
})

describe('a probe app that is older than a case', () => {
  class Old extends ReferenceAdapter {
    override withBody(reply: Reply) {
      return super.withBody({ ...reply, raw: undefined })
    }
    override async handler(...[req, ...others]: Parameters<ReferenceAdapter['handler']>): Promise<Reply> {
      const isKnown = !/^\/(?:no|then-fails)/.test(req.url ?? '')
      return isKnown ? await super.handler(req, ...others) : { status: 404, headers: {}, body: 'not found' }
    }
  }

  test('passes, and what it ignores is named as not proved', async () => {
    const report = await runAdapterCases(options => startReference(options, Old), {
      startTwoEngines: (outer, inner) => startReference(outer, Old, inner),
      filter: /^adapter\/(?:raw-|not-found|two-engines-https|who|logout-then|saved-then)/,
    })
    expect([report.failed, report.passed]).toEqual([0, 0])
    const text = formatReport(report)
    expect(text).toContain('the probe app has no route POST /then-fails')
    for (const ignored of ['`raw`', '`probeNotFound`', 'the third argument of `startTwoEngines`']) {
      expect(text).toContain(
        `Some requests are NOT proved, because the probe app does nothing with ${ignored}`,
      )
    }
    expect(text).toContain('docs/write-an-adapter.md shows how.')
  })
})

test('options in a third argument are an error, because they would be ignored', () => {
  const call = runAdapterCases as (...args: unknown[]) => unknown
  expect(() => call(startReference, {}, { filter: /adapter\/none/ })).toThrow(/takes two arguments/)
})
