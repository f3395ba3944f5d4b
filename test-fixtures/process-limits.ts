import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** Limits of this process, which make the system answer real errors. Linux has a command for it. */
export interface ProcessLimits {
  /** From now on writing to a file fails: EFBIG, as on a full disk. An empty file can still be made. */
  noRoom(): Promise<void>
  /** From now on opening a file fails: EMFILE. */
  noFiles(): Promise<void>
  /** As at the beginning. */
  lift(): Promise<void>
  close(): Promise<void>
}

// A process that is there before, because none can be started while no file can be opened.
const HELPER = `
set -- $(prlimit --pid $PPID --fsize --nofile --noheadings --raw --output RESOURCE,SOFT | sort)
while read -r name; do
  case $name in
    room) prlimit --pid $PPID --fsize=0: ;;
    files) prlimit --pid $PPID --nofile=0: ;;
    none) prlimit --pid $PPID --fsize=$2: --nofile=$4: ;;
  esac && echo $name
done
`

/** `undefined` where the system has no such command. */
export function processLimits(): ProcessLimits | undefined {
  if (process.platform !== 'linux') return undefined
  const helper = spawn('/bin/sh', ['-c', HELPER], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface(helper.stdout)
  const set = async (name: string) => {
    helper.stdin.write(`${name}\n`)
    const [said] = await Promise.race([once(lines, 'line'), once(lines, 'close')])
    if (said !== name)
      throw new Error('The limits of this process cannot be set. Install util-linux: it has prlimit.')
  }
  return {
    noRoom: () => set('room'),
    noFiles: () => set('files'),
    lift: () => set('none'),
    async close() {
      helper.stdin.end()
      await once(helper, 'close')
    },
  }
}
