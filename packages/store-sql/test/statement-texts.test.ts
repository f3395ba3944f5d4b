/** The texts of the statements: which there are, and that there are no more than these [M6]. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { dialects } from '../src/dialects.ts'
import { sqliteStore } from '../src/index.ts'
import { compileRaw, compileStatements, missingParts, type Statement } from '../src/statements.ts'
import { expectNoMoreTexts } from './batch-texts.ts'

/** Each statement, one a line where a clause begins. */
function everyText(): string {
  const layout = { table: 'sessions', schema: undefined, subject: true }
  const parts = Object.values(dialects).map(dialect => {
    const { expired, removeExpired, countLive, countExpired, ...others } = compileStatements(dialect, layout)
    const named: [string, Statement][] = [
      ...missingParts(dialect, layout, []).map((statement): [string, Statement] => ['migrate()', statement]),
      ['migrate(): what is there', compileRaw(dialect, dialect.introspect('sessions', undefined))],
      ...(dialect.check
        ? [
            ['before the first call', compileRaw(dialect, dialect.check.question('sessions', undefined))] as [
              string,
              Statement,
            ],
          ]
        : []),
      ...Object.entries(others),
      ['count(): live, here up to 1024', countLive(1024)],
      ['count(): expired, here up to 1024', countExpired(1024)],
      ['clearExpired(): find, here 4', expired(4)],
      ['clearExpired(): remove, here 4', removeExpired(['a', 'b', 'c', 'd'])],
    ]
    const texts = named.map(([name, { sql }]) => {
      const lines = sql
        .trim()
        .replace(/\s+/g, ' ')
        .replace(/ (from|where|and|on conflict|order by|set|values|union all|join) /g, '\n  $1 ')
      return `-- ${name}\n${lines};`
    })
    return `## ${dialect.name}\n\n\`\`\`sql\n${texts.join('\n\n')}\n\`\`\`\n`
  })
  return parts.join('\n')
}

const PAGE = `# The statements of the SQL store

These are the statements that \`@sess/store-sql\` sends to each database. A test writes them down. \`?\` and \`$1\` are parameters: no value is ever
part of the text. On MySQL \`=\` finds the row by its index, and the comparison of bytes then decides, because a collation
takes different texts for equal.

`

test('every statement is written down in docs/sql-statements.md', async () => {
  await expect(PAGE + everyText()).toMatchFileSnapshot(
    join(import.meta.dirname, '../../../docs/sql-statements.md'),
  )
})

test('SQLite: batches of other sizes are the same texts', async () => {
  const db = new DatabaseSync(':memory:')
  const texts = new Set<string>()
  const store = sqliteStore({
    exec: sql => db.exec(sql),
    close: () => db.close(),
    prepare(sql) {
      texts.add(sql)
      return db.prepare(sql)
    },
  })
  await expectNoMoreTexts(store, () => texts.size)
  db.close()
})
