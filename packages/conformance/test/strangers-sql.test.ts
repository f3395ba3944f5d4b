import { describe, expect, test } from 'vitest'
import { runStoreCases } from '../src/runner.ts'
import { inhabited } from './zoo/habitat.ts'
import { sqlStores } from './zoo/strangers-sql.ts'

const proved = (by: string, mistake?: (typeof sqlStores)[number]['mistake']) =>
  runStoreCases(() => inhabited(mistake), { timeout: 20_000, seed: 1, filter: new RegExp(`^${by} `) })

describe('the fourth zoo: SQLite, PostgreSQL and files', () => {
  test.each(sqlStores.map(({ id, by, mistake }) => [id, by, mistake] as const))(
    '%s: rejected by %s',
    async (_, by, mistake) => {
      const { results } = await proved(by, mistake)
      expect(results.map(({ id, status }) => [id, status])).toEqual([[by, 'failed']])
    },
  )

  test.each([...new Set(sqlStores.map(({ by }) => by))])('%s passes the right store', async by => {
    expect(await proved(by)).toMatchObject({ passed: 1, failed: 0 })
  })
})
