import { requireServer } from '@sess/test-fixtures/servers'
import { describe, expect, test } from 'vitest'
import { soak } from './soak/soak.ts'

describe.skipIf(!requireServer('redis'))('a mixed load (the long form: pnpm campaign soak)', () => {
  test('ends without an error or a lost change, on SQLite, on Redis and without sessions [I2, I6, F16, F26]', async () => {
    const results = await soak({ seconds: 2 })
    expect(results.map(({ name }) => name)).toEqual(['none', 'sqlite', 'redis'])
    for (const { name, requests, errors, wrong, interrupted, samples } of results) {
      expect({ name, errors, wrong }).toEqual({ name, errors: [], wrong: [] })
      expect(samples.at(-1)?.unhandled, name).toBe(0)
      expect(requests, name).toBeGreaterThan(5)
      if (name === 'none') expect(interrupted, name).toBe(0)
    }
  })
})
