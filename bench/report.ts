import { BARE } from './contestants.ts'
import { judge, judgeRest } from './goals.ts'
import { type Cell, costs, median, perRequest, scenarios } from './measure.ts'
import type { Results } from './results.ts'

/** The run as Markdown: what was asked, the goals, every number. */
export function markdown(results: Results): string {
  const { machine } = results
  return `# What sessions cost

${machine.at.slice(0, 10)}, Node ${machine.node}, ${machine.cpu}, ${machine.cores} cores. ${machine.loader}. ${machine.rounds} rounds of
${machine.seconds} s for each number, interleaved; medians. One-minute load of the machine ${machine.load.map(one => one.toFixed(1)).join(' before, ')} after. Made by
\`pnpm bench\`.

**Session cost** is the processor time of the server process (user and system, all its threads) for each request, less
that of the same framework without sessions in the same round. The spread is the least and the greatest of the rounds.

![Session cost beside the peers](session-cost.svg)

## Goals

${table(
  ['on', 'request', 'Sess', 'peer', 'Sess µs', 'peer µs', 'share', 'spread', 'goal', ''],
  judge(results.cells).map(
    ({ framework, scenario, sess, peer, sessCost, peerCost, share, spread, atMost, met }) => [
      framework,
      scenario,
      sess.replace('Sess, ', ''),
      peer,
      micros(sessCost),
      micros(peerCost),
      fraction(share),
      spread.map(fraction).join(' … '),
      `≤ ${fraction(atMost)}`,
      met ? 'met' : '**missed**',
    ],
  ),
)}

${table(
  ['', 'found', 'goal', ''],
  judgeRest(results).map(({ what, found, goal, met }) => [what, found, goal, met ? 'met' : '**missed**']),
)}

## Session cost, µs a request

${byScenario(results.cells, (framework, name, scenario) => {
  const found = costs(results.cells, framework, name, scenario)
  return found.length === 0 ? '' : `${micros(median(found))} (${spreadOf(found)})`
})}

## Requests a second, as a ratio to the bare framework

${byScenario(results.cells, (framework, name, scenario) => {
  const ratios = throughput(results.cells, framework, name, scenario)
  return ratios.length === 0
    ? ''
    : `${median(ratios).toFixed(2)} (${[Math.min(...ratios), Math.max(...ratios)].map(one => one.toFixed(2)).join(' … ')})`
})}

The bare frameworks:

${table(
  ['', 'µs a request', 'requests/s'],
  bare(results.cells).map(([framework, samples]) => [
    framework,
    micros(median(samples.map(perRequest))),
    Math.round(median(samples.map(({ requests, seconds }) => requests / seconds))).toLocaleString('en'),
  ]),
)}

## Redis commands a request

${table(
  ['', 'request', 'sent', 'which'],
  results.redis.map(({ name, scenario, sent, commands }) => [
    name,
    scenario,
    String(sent),
    Object.entries(commands)
      .map(([command, count]) => `${count} ${command}`)
      .join(', '),
  ]),
)}

## Lost updates

Of 200 appends to one list of one session, all under way at once. A session that lives in its cookie cannot do better
than the last answer.

${table(
  ['', '', 'lost'],
  results.lost.map(({ framework, name, lost }) => [framework, name, String(lost)]),
)}

## Heap of a stored session

191 bytes of JSON, 100,000 sessions.

${table(
  ['', 'bytes', 'beside the floor'],
  results.heap.map(({ name, bytes }) => [
    name,
    String(bytes),
    `${(bytes / results.heap[0]!.bytes).toFixed(2)} ×`,
  ]),
)}
`
}

/** The goals as lines for a terminal. */
export function summary(results: Results): string {
  const judged = judge(results.cells).map(
    ({ framework, scenario, sess, peer, share, spread, atMost, met }) => {
      const what = `${framework}, ${scenario}: ${sess} / ${peer}`
      const found = `${fraction(share)} (${spread.map(fraction).join(' … ')})`
      return `${met ? 'met   ' : 'MISSED'}  ${what.padEnd(75)} ${found.padEnd(24)} ≤ ${fraction(atMost)}`
    },
  )
  const rest = judgeRest(results).map(({ what, found, goal, met }) => {
    return `${met ? 'met   ' : 'MISSED'}  ${what.padEnd(75)} ${found.padEnd(24)} ${goal}`
  })
  return [...judged, ...rest].join('\n')
}

function byScenario(
  cells: readonly Cell[],
  show: (framework: string, name: string, scenario: string) => string,
): string {
  const columns = scenarios.map(({ name }) => name).filter(name => cells.some(cell => cell.scenario === name))
  const rows = new Map<string, string[]>()
  for (const { framework, name } of cells) {
    if (name === BARE) continue
    rows.set(`${framework} ${name}`, [
      framework,
      name,
      ...columns.map(scenario => show(framework, name, scenario)),
    ])
  }
  return table(['', '', ...columns], [...rows.values()])
}

function throughput(cells: readonly Cell[], framework: string, name: string, scenario: string): number[] {
  const rounds = (of: string) =>
    cells.find(cell => cell.framework === framework && cell.name === of && cell.scenario === scenario)
      ?.rounds ?? []
  const theirs = rounds(BARE)
  return rounds(name).map(
    ({ requests, seconds }, at) => requests / seconds / (theirs[at]!.requests / theirs[at]!.seconds),
  )
}

function bare(cells: readonly Cell[]): [string, Cell['rounds']][] {
  const found = new Map<string, Cell['rounds']>()
  for (const { framework, name, rounds } of cells) {
    if (name === BARE) found.set(framework, [...(found.get(framework) ?? []), ...rounds])
  }
  return [...found]
}

function table(head: string[], rows: string[][]): string {
  if (rows.length === 0) return '(not measured in this run)'
  return [head, head.map(() => '---'), ...rows].map(row => `| ${row.join(' | ')} |`).join('\n')
}

function micros(value: number): string {
  return Math.abs(value) < 10 ? value.toFixed(1) : Math.round(value).toLocaleString('en')
}

function fraction(value: number): string {
  return Math.abs(value) < 0.02 ? value.toFixed(4) : value.toFixed(2)
}

function spreadOf(values: number[]): string {
  return `${micros(Math.min(...values))} … ${micros(Math.max(...values))}`
}
