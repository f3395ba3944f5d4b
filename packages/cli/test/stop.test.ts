import { EventEmitter, once } from 'node:events'
import { expect, test } from 'vitest'
import type { Console } from '../src/console.ts'
import { stoppable } from '../src/stop.ts'

test('work that took longer than its interval goes on at once, without a warning on stderr', async () => {
  const warned = once(process, 'warning', { signal: AbortSignal.timeout(200) }).then(
    ([warning]) => String(warning),
    () => 'none',
  )
  await stoppable(new EventEmitter() as unknown as Console, stop => stop.pause(-250))
  expect(await warned).toBe('none')
})
