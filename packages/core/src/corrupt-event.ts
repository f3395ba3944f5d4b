import { isRecord } from './codec.ts'
import type { CorruptEvent } from './hooks.ts'
import { errorSaying } from './store-error.ts'

type Details = Pick<CorruptEvent, 'error' | 'paths'>

/** At most so many issues of a schema are in the event. */
const MAX_ISSUES = 10

/**
 * The details of what a codec threw, for the `corrupt` hook. Its message is left out: a codec knows the data, and may quote
 * them in any form.
 */
export function unreadable(thrown: unknown): Details {
  return { error: errorSaying('The codec cannot read what is stored.', thrown) }
}

/** The same of what a schema or `migrate` threw. */
export function schemaThrew(thrown: unknown): Details {
  return { error: errorSaying('The option `schema` or `migrate` threw.', thrown) }
}

/** The same of a schema's issues. Their messages are left out, because some libraries quote the value. */
export function unfit(issues: readonly unknown[]): Details {
  const paths = issues.slice(0, MAX_ISSUES).map(pathOf)
  const where = paths.filter(Boolean).join(', ') || 'the whole'
  return { error: new Error(`Stored data do not fit the option \`schema\`: ${where}.`), paths }
}

/** `user.address.0`; a part that is no plain name may be data itself, such as an e-mail address. */
function pathOf(issue: unknown): string {
  const { path } = Object(issue) as { path?: unknown }
  const steps = Array.isArray(path) ? path.slice(0, MAX_ISSUES) : []
  return steps
    .map(step => String(isRecord(step) ? step['key'] : step))
    .map(name => (/^[\w-]{1,29}$/.test(name) ? name : '…'))
    .join('.')
}
