import { bad, type Finding, ok, warn } from './finding.ts'

/** Compares a server's clock with ours. `before` and `after`: our clock around the question. All in milliseconds. */
export function compareClocks(server: number, before: number, after: number): Finding {
  // The server read its clock at some moment in between.
  const off = server < before ? before - server : Math.max(0, server - after)
  const seconds = (off / 1000).toFixed(1)
  if (off < 2_000) return ok('the clocks of this machine and the server agree')
  const remedy = 'Run a time service (chrony, systemd-timesyncd) on both machines.'
  if (off < 60_000) return warn(`the clocks differ by ${seconds} s`, remedy)
  return bad(`the clocks differ by ${seconds} s, so sessions end early or late`, remedy)
}
