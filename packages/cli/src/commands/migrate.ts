import { type Console, say, sayJson } from '../console.ts'
import { Failure, MISUSED } from '../failure.ts'
import { whatIsAt } from '../place.ts'
import { openTarget, type StoreOptions } from '../target.ts'

export interface MigrateOptions extends StoreOptions {
  dryRun?: boolean
  json?: boolean
}

/** Creates or upgrades what the store needs. */
export async function migrate(console: Console, options: MigrateOptions): Promise<void> {
  const { dryRun = false, json = false } = options
  const target = await openTarget(options, { cwd: console.cwd(), make: dryRun ? 'dry' : 'really' })
  try {
    const statements = await target.sql?.pending()
    if (dryRun && target.kind === 'module') {
      throw new Failure(MISUSED, '--dry-run needs a SQL store named by --store. A config module says no SQL.')
    }
    const isFolderMissing = target.kind === 'file' && whatIsAt(target.path!) === 'nothing'
    if (!dryRun) await create()
    if (json) return sayJson(console, { store: target.label, dryRun, statements: statements ?? [] })
    for (const statement of statements ?? []) say(console, `${statement};`)
    if (dryRun && isFolderMissing) say(console, `-- The folder is missing: ${target.path}.`)
    else if (statements?.length || isFolderMissing) {
      if (!dryRun) say(console, `Done: ${target.label}.`)
    } else if (target.kind === 'redis') {
      say(console, 'Redis needs nothing before the first session.')
    } else {
      say(console, `${dryRun ? '-- ' : ''}Nothing is missing: ${target.label}.`)
    }

    async function create(): Promise<void> {
      const store = target.store as { migrate?(): Promise<void> } | undefined
      if (store?.migrate) await store.migrate()
      // A file store makes its folder when it is first used.
      else await target.store?.read('0'.repeat(40))
    }
  } finally {
    await target.close()
  }
}
