/** Milliseconds after which those who wait their turn no longer wait for the one that is under way. */
const PATIENCE_MS = 1_000

/** `waited`: another was under way when it was asked for. */
type Work<T> = (waited: boolean) => Promise<T>

interface Turn<T> {
  result: Promise<T>
  next?: Promise<T>
}

/**
 * Of overlapping calls for one id one is under way, and those that come meanwhile share the next. It begins after the
 * last of them came, so nobody is answered with what was true before the question; joining the one that is under way
 * would save another round trip and lose just that.
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
