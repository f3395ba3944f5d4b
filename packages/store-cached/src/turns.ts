/** Milliseconds after which the next call starts although the one before it is still under way. */
const PATIENCE_MS = 1_000

/** `afterWaiting` is true if another call for the id was under way before. */
type Work<T> = (afterWaiting: boolean) => Promise<T>

interface Turn<T> {
  result: Promise<T>
  next?: Promise<T>
}

/**
 * Runs one call for an id at a time. Callers that come meanwhile share the next call: the work of the first of them runs, with
 * that caller's clock and signal. If a call takes longer than `PATIENCE_MS`, the next one starts beside it.
 *
 * The next call starts after all its callers came, so its result is never older than the caller that asked for it. To join the
 * call that is under way would save a round trip, but its result may be older than the caller.
 */
export function inTurns<T>(): (id: string, work: Work<T>) => Promise<T> {
  const turns = new Map<string, Turn<T>>()

  function begin(id: string, work: Work<T>, afterWaiting: boolean): Promise<T> {
    const turn: Turn<T> = { result: work(afterWaiting) }
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
