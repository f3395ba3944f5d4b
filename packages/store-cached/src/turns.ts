/** Milliseconds after which the next call starts although the one before it is still under way. */
const PATIENCE_MS = 1_000

/** `waited` is true if another call was under way before. */
type Work<T> = (waited: boolean) => Promise<T>

interface Turn<T> {
  result: Promise<T>
  next?: Promise<T>
}

/**
 * Runs one call for an id at a time. Calls that come meanwhile share the next one.
 *
 * The next call starts after the last of them came, so its result is never older than a question. Joining the call that is
 * under way would save a round trip, but could return what was true before the question.
 */
export function inTurns<T>(): (id: string, work: Work<T>) => Promise<T> {
  const turns = new Map<string, Turn<T>>()

  function begin(id: string, work: Work<T>, waited: boolean): Promise<T> {
    const turn: Turn<T> = { result: work(waited) }
    turns.set(id, turn)
    const over = () => {
      if (turns.get(id) === turn && turn.next === undefined) turns.delete(id)
    }
    turn.result.then(over, over)
    return turn.result
  }

  return (id, work) => {
    const turn = turns.get(id)
    if (turn === undefined) return begin(id, work, false)
    turn.next ??= settled(turn.result).then(() => begin(id, work, true))
    return turn.next
  }
}

function settled(result: Promise<unknown>): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, PATIENCE_MS)
    const done = () => {
      clearTimeout(timer)
      resolve()
    }
    result.then(done, done)
  })
}
