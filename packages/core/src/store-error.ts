/** How many causes of causes are kept. */
const DEPTH = 4
/** The longest message kept, in characters. */
const LONGEST = 300

const QUOTATION_MARKS = ['"', '`', "'"]
// Not the apostrophe of "it's".
const OPENS = /["`]|(?<!\w)'|'(?!(?:s|t|re|ll|ve)\b)/

/**
 * Makes a copy of an error that is safe to log: its name, `code` and message, where they were thrown, and the same of
 * its `cause`. Drivers attach the command, its parameters or the row that failed, and quote values in the message;
 * these are session data. In the message, `…` replaces what is quoted, what looks like a key, the user, password
 * and query of a URL, what is percent-encoded, and everything after the first line.
 *
 * The engine does this with every error of a store. A store calls it for the errors that do not go to the engine,
 * such as those given to a callback.
 *
 * @param error what the driver threw, of any type
 * @param hidden values to replace in the message wherever they are, such as the subject
 * @example
 * client.on('error', error => onError(safeCause(error)))
 */
export function safeCause(error: unknown, hidden: readonly (string | undefined)[] = []): Error {
  try {
    return copy(error, hidden, DEPTH)
  } catch {
    // A getter of the error threw.
    return new Error('An error that cannot be read was thrown.')
  }
}

/** A copy of an error that keeps its name, `code` and place, and has another message and no cause. */
export function errorSaying(message: string, error: unknown): Error {
  try {
    return copy(error, [], 1, message)
  } catch {
    // A getter of the error threw.
    return new Error(message)
  }
}

function copy(
  error: unknown,
  hidden: readonly (string | undefined)[],
  depth: number,
  instead?: string,
): Error {
  const { name, code, message, stack, cause, errors } = partsOf(error)
  // Node reports a name with several addresses as one error without a message for each.
  const text = message === '' && Array.isArray(errors) ? partsOf(errors[0]).message : message
  const safe = new Error(instead ?? safeMessage(String(text), hidden))
  if (typeof name === 'string' && /^[A-Za-z]\w{0,39}$/.test(name)) define(safe, 'name', name)
  if (typeof code === 'number' || (typeof code === 'string' && /^\w{1,40}$/.test(code)))
    define(safe, 'code', code)
  define(safe, 'stack', `${safe}${framesOf(String(stack ?? ''), String(message))}`)
  if (cause !== undefined && depth > 1) define(safe, 'cause', copy(cause, hidden, depth - 1))
  return safe
}

function partsOf(
  error: unknown,
): Record<'name' | 'code' | 'message' | 'stack' | 'cause' | 'errors', unknown> {
  if (typeof error === 'string') return partsOf({ message: error })
  if (typeof error !== 'object' || error === null) return partsOf({ message: `${typeof error} was thrown.` })
  const {
    name,
    code,
    message = 'An object was thrown.',
    stack,
    cause,
    errors,
  } = error as Record<string, unknown>
  return { name, code, message, stack, cause, errors }
}

function safeMessage(message: string, hidden: readonly (string | undefined)[]): string {
  let text = message
  for (const value of hidden) {
    if (value) text = text.replaceAll(value, '…')
  }
  const [line = ''] = text.split(/[\r\n]/, 1)
  return (
    withoutQuotations(line.slice(0, LONGEST))
      .replace(/=\s*\(.*\)?/, '=(…)')
      .replace(/\/\/[^\s/]*@/g, '//…@')
      // A store may be reached by HTTP. Then a message may hold the query, or percent-encoded data.
      .replace(/\?\S*=\S*/g, '?…')
      .replace(/\S*%[0-9a-f]{2}\S*/gi, '…')
      .replace(/\w{30,}/g, '…')
  )
}

/** Leaves out all from the first quotation mark to the last, because the data may contain some itself. */
function withoutQuotations(text: string): string {
  const first = text.search(OPENS)
  if (first < 0) return text
  const mark = text[first]!
  const last = Math.max(...QUOTATION_MARKS.map(other => text.lastIndexOf(other)))
  // Cut off before the quotation ended.
  if (last === first) return `${text.slice(0, first)}${mark}…`
  return `${text.slice(0, first)}${mark}…${text.slice(last)}`
}

/** The lines of the stack that say where, not those that repeat the message. */
function framesOf(stack: string, message: string): string {
  const start = stack.indexOf(message)
  const rest = start < 0 ? stack : stack.slice(start + message.length)
  return rest
    .split('\n')
    .filter(line => /^ {4}at \S/.test(line))
    .map(line => `\n${line}`)
    .join('')
}

/** Not enumerable, as in an error of the language: `JSON.stringify` shows nothing of it. */
function define(error: Error, name: string, value: unknown): void {
  Object.defineProperty(error, name, {
    value,
    configurable: true,
    writable: true,
    enumerable: name === 'code',
  })
}
