import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from './workspace.ts'

const workflows = globSync('.github/workflows/*.yml', { cwd: root }).sort()
const text = (file: string): string => readFileSync(join(root, file), 'utf8')

/** The jobs of a workflow, by name, as text. */
function jobs(workflow: string): Map<string, string> {
  const [, ...parts] = workflow.slice(workflow.indexOf('\njobs:\n')).split(/^ {2}(?=[a-z-]+:$)/m)
  return new Map(parts.map(part => [part.slice(0, part.indexOf(':')), part]))
}

describe.each(workflows)('%s', file => {
  it('pins every action by its commit, because a tag can be moved', () => {
    const uses = [...text(file).matchAll(/uses: (\S+)(.*)/g)]
    expect(uses.length).toBeGreaterThan(0)
    for (const [, action, version] of uses) {
      expect(action).toMatch(/^actions\/[a-z-]+@[0-9a-f]{40}$/)
      expect(version).toMatch(/^ # v\d+\.\d+\.\d+$/)
    }
  })

  it('gives no job a token by default, and none that can write to a job that runs code of dependencies', () => {
    expect(text(file)).toMatch(/^permissions:( \{\}|\n {2}contents: read)$/m)
    const all = [...jobs(text(file)).values()]
    const running = all.filter(job => /\.ci\/run|\bpnpm |bootstrap\.mjs|npm (test|install|ci)\b/.test(job))
    expect(running.length).toBeGreaterThan(0)
    for (const job of running) {
      expect(job).not.toMatch(/: write|secrets\.|github\.token/)
      expect(job).toContain('persist-credentials: false')
    }
  })
})

it('the release publishes what the checks made, with provenance and a bill of materials [A39]', () => {
  const release = jobs(text('.github/workflows/release.yml'))
  expect([...release.keys()]).toEqual(['check', 'versions', 'publish'])
  expect(release.get('check')).toContain('sbom --sbom-format cyclonedx')
  expect(release.get('publish')).toContain('needs: check')
  expect(release.get('publish')).toContain('id-token: write')
  expect(release.get('publish')).toMatch(/npm publish .* --provenance .* --ignore-scripts/)
  expect(release.get('publish')).toContain('subject-path: sbom/')
})

it('CI runs what `npm test` leaves out, and nothing is released without it (decision 0092)', () => {
  const [, steps = ''] = /OF_PACKAGES.* = \[(.*)\]/.exec(text('scripts/check.ts')) ?? []
  const left = [...steps.matchAll(/script\('(.+?)'\)/g)].map(([, name]) => name)
  expect(left).toEqual(['tarballs', 'pack-test'])
  const [, run] = /^npm test\nfor \w+ in (.*); do$/m.exec(text('.ci/run')) ?? []
  expect(run?.split(' ')).toEqual(left)
  expect(jobs(text('.github/workflows/release.yml')).get('check')).toContain('run: .ci/run')
})
