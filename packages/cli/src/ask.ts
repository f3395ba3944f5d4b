import { type Console, isInteractive } from './console.ts'
import { Failure, MISUSED, STOPPED } from './failure.ts'

/** Asks before something that cannot be undone. Without a terminal to ask on, `--yes` must have been given. */
export async function confirmed(console: Console, message: string, yes: boolean): Promise<boolean> {
  if (yes) return true
  if (!isInteractive(console)) {
    throw new Failure(MISUSED, 'There is no terminal to ask on. Add --yes to do it without asking.')
  }
  const { default: confirm } = await import('@inquirer/confirm')
  try {
    return await confirm(
      { message, default: false },
      { input: console.stdin, output: console.stderr, clearPromptOnDone: false },
    )
  } catch (error) {
    // Ctrl-C at the prompt.
    if ((error as Error).name === 'ExitPromptError') throw new Failure(STOPPED, 'Nothing was done.')
    throw error
  }
}
