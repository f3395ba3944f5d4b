import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { expect, it } from 'vitest'
import { diagnostics } from '../src/index.ts'

it('publishes every hook on its own channel [A27]', () => {
  const hooks = diagnostics()
  const heard: unknown[] = []
  const listener = (message: unknown, name: string | symbol): void => void heard.push([name, message])
  const events = {
    created: { id: 'a' },
    storeError: { operation: 'read' as const, error: new Error('down') },
  }
  subscribe('sess:created', listener)
  subscribe('sess:storeError', listener)
  try {
    hooks.created?.(events.created)
    hooks.saved?.({ id: 'a' })
    hooks.storeError?.(events.storeError)
  } finally {
    unsubscribe('sess:created', listener)
    unsubscribe('sess:storeError', listener)
  }
  hooks.created?.(events.created)
  expect(heard).toEqual([
    ['sess:created', events.created],
    ['sess:storeError', events.storeError],
  ])
})
