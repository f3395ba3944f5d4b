import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { DIFFERENCES, type Difference } from './differences.ts'
import { isOurFolder, recordings } from './recordings.ts'
import { judge, type Kind, modelError } from './replay.ts'

/** The recordings: how each is read, and how many cases are in ours. */
const FILES: { file: string; kind: Kind; cases: number }[] = [
  { file: 'expiry.json', kind: 'expiry', cases: 104 },
  { file: 'traces.json', kind: 'trace', cases: 568 },
  { file: 'traces_random.json', kind: 'trace', cases: 100 },
  { file: 'middleware.json', kind: 'middleware', cases: 750 },
  { file: 'middleware_flows.json', kind: 'middleware', cases: 143 },
  { file: 'clear_expired.json', kind: 'clear', cases: 41 },
]

interface Count {
  ran: number
  equal: number
  unexplained: number
  /** Cases that a difference accounts for, alone or with others. */
  explained: Map<Difference, number>
}

const counts = new Map<string, Count>()

for (const { file, kind, cases } of FILES) {
  describe(file, () => {
    const count: Count = { ran: 0, equal: 0, unexplained: 0, explained: new Map() }
    counts.set(file, count)
    const all = recordings(file)

    for (const recording of all) {
      test(recording.id, async () => {
        count.ran++
        const { differences, unexplained } = await judge(kind, recording)
        if (unexplained !== undefined) {
          count.unexplained++
          expect.unreachable(unexplained)
        }
        if (differences.length === 0) count.equal++
        for (const one of differences) count.explained.set(one, (count.explained.get(one) ?? 0) + 1)
      })
    }

    if (!isOurFolder) {
      if (all.length === 0) test('is in this folder', ({ skip }) => skip('this folder has no such file'))
      return
    }
    test('every case is there', () => expect(all).toHaveLength(cases))

    // So far the model had to prove itself only where Sess is not Django.
    test('without the differences the model is Django in every case', async () => {
      const wrong: string[] = []
      for (const recording of all) {
        const error = await modelError(kind, recording)
        if (error !== undefined) wrong.push(`${recording.id}: ${error}`)
      }
      expect(wrong).toEqual([])
    })
  })
}

describe('docs/django.md', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../../docs/django.md'), 'utf8')
  const documented = [...page.matchAll(/^### .*`([a-z-]+)`$/gm)].map(([, id]) => id)

  test('has the differences that the model has, and no more than 20', () => {
    expect(documented.toSorted()).toEqual(Object.keys(DIFFERENCES).sort())
    expect(documented.length).toBeLessThanOrEqual(20)
  })

  if (isOurFolder) {
    test('has no difference that no case shows', () => {
      const shown = new Set([...counts.values()].flatMap(({ explained }) => [...explained.keys()]))
      expect([...shown].sort()).toEqual(Object.keys(DIFFERENCES).sort())
    })
  }
})

afterAll(() => {
  const lines: string[] = []
  const total: Count = { ran: 0, equal: 0, unexplained: 0, explained: new Map() }
  for (const [file, count] of counts) {
    lines.push(line(file, count))
    total.ran += count.ran
    total.equal += count.equal
    total.unexplained += count.unexplained
    for (const [one, cases] of count.explained)
      total.explained.set(one, (total.explained.get(one) ?? 0) + cases)
  }
  lines.push(line('together', total), 'Cases by difference (a case may show several):')
  for (const one of Object.keys(DIFFERENCES) as Difference[])
    lines.push(`  ${String(total.explained.get(one) ?? 0).padStart(5)}  ${one}: ${DIFFERENCES[one]}`)
  console.log(lines.join('\n'))
})

function line(file: string, { ran, equal, unexplained }: Count): string {
  const documented = ran - equal - unexplained
  return `${file}: ${ran} cases, ${equal} as Django, ${documented} by a documented difference, ${unexplained} unexplained`
}
