import { number } from '@sess/core/inspect'
import type { Console } from './console.ts'

/** Shows how far a long job is. */
export interface Progress {
  /** The total so far. */
  update(done: number): void
  end(): void
}

export interface ProgressOptions {
  /** Of what the total counts: `expired sessions`. */
  of: string
  /** What is done to them: `removed`. */
  verb: string
  /** How many there will be, where that is known. */
  total: number | undefined
}

/** A progress bar on stderr, where that is a terminal; else a line on stdout at most every five seconds. */
export async function startProgress(
  console: Console,
  { of, verb, total }: ProgressOptions,
): Promise<Progress> {
  if (console.stderr.isTTY !== true) return lines(console, of, verb)
  const { default: progress } = await import('cli-progress')
  const known = total !== undefined && total > 0
  const bar = new progress.SingleBar(
    {
      stream: console.stderr,
      format: known ? `{bar} {percentage}%  {value} of {total} ${of} ${verb}` : `{value} ${of} ${verb} …`,
      barsize: 30,
      hideCursor: true,
      fps: 10,
      // It must not take Ctrl-C: a batch that is under way finishes.
      gracefulExit: false,
      formatValue: (value, _options, type) => (type === 'percentage' ? String(value) : number(value)),
    },
    progress.Presets.shades_classic,
  )
  bar.start(total ?? 0, 0)
  return {
    update(done) {
      // Others may expire meanwhile.
      if (done > bar.getTotal()) bar.setTotal(done)
      bar.update(done)
    },
    end: () => bar.stop(),
  }
}

function lines({ stdout }: Console, of: string, verb: string): Progress {
  let last = performance.now()
  return {
    update(done) {
      if (performance.now() - last < 5_000) return
      last = performance.now()
      stdout.write(`${number(done)} ${of} ${verb} so far\n`)
    },
    end: () => undefined,
  }
}
