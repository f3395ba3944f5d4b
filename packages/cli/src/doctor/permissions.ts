import { existsSync, statfsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { bad, type Finding, ok, warn } from './finding.ts'

/** From statfs(2): file systems of a network, on which neither SQLite nor the file store is safe. */
const NETWORK: Record<number, string> = { 26985: 'NFS', 4283649346: 'CIFS', 4266872130: 'SMB', 20859: 'SMB' }

/** Who can read a database file or a folder of sessions, and where it lies. */
export function examinePermissions(path: string): Finding[] {
  const findings: Finding[] = []
  const network = NETWORK[statfsSync(path).type]
  if (network) findings.push(bad(`${path} is on ${network}`, 'Move it to a local disk.'))
  // Windows' modes say nothing.
  if (process.geteuid === undefined) return findings
  const paths = [path, ...['-wal', '-shm', '-journal'].map(suffix => path + suffix)].filter(each =>
    existsSync(each),
  )
  const open = paths.find(each => (statSync(each).mode & 0o077) !== 0)
  if (open === undefined) findings.push(ok('only its owner can read and write it'))
  else if ((statSync(open).mode & 0o007) !== 0) {
    findings.push(bad(`everybody on this machine can read ${open}`, `chmod -R go= ${path}*`))
  } else findings.push(warn(`the group can read ${open}`, `chmod -R go= ${path}*, unless that is meant.`))
  const folder = statSync(dirname(path))
  if ((folder.mode & 0o002) !== 0 && (folder.mode & 0o1000) === 0) {
    findings.push(bad(`everybody may put files into ${dirname(path)}`, `chmod o-w ${dirname(path)}`))
  }
  return findings
}
