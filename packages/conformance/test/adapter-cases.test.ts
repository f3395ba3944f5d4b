import type { Session } from '@sess/core'
import { expect, test } from 'vitest'
import { runAdapterCases } from '../src/runner.ts'
import { type Out, ReferenceAdapter, type Reply, startReference } from './reference-probe.ts'

/** The ids of the cases that reject an adapter. */
async function rejecting(Adapter: typeof ReferenceAdapter, filter: string): Promise<string[]> {
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
  expect(await rejecting(appended('vary', 'Cookie'), 'own-')).toEqual(['adapter/own-vary-any'])
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
