import { judge } from './goals.ts'
import type { Results } from './results.ts'

const ROW = 34
const LEFT = 330
const WIDTH = 420
const RIGHT = 130

/** The goals as bars: a peer's session cost is the whole width, ours the dark part of it, the goal a line. */
export function chart({ cells, machine }: Results): string {
  const verdicts = judge(cells)
  const height = 70 + verdicts.length * ROW + 20
  const rows = verdicts.map(
    ({ framework, scenario, peer, share, spread, atMost, sessCost, peerCost, met }, at) => {
      const y = 62 + at * ROW
      const bar = (value: number): number => Math.max(0, Math.min(1, value)) * WIDTH
      const [least, most] = spread.map(bar) as [number, number]
      const middle = y + 9
      return `  <text x="${LEFT - 10}" y="${y + 8}" text-anchor="end">${framework}: ${scenario}</text>
  <text x="${LEFT - 10}" y="${y + 21}" text-anchor="end" class="small">of ${peer}</text>
  <rect x="${LEFT}" y="${y}" width="${WIDTH}" height="18" class="peer"/>
  <rect x="${LEFT}" y="${y}" width="${bar(share).toFixed(1)}" height="18" class="${met ? 'sess' : 'missed'}"/>
  <line x1="${(LEFT + least).toFixed(1)}" y1="${middle}" x2="${(LEFT + most).toFixed(1)}" y2="${middle}" class="spread"/>
  <line x1="${(LEFT + bar(atMost)).toFixed(1)}" y1="${y - 3}" x2="${(LEFT + bar(atMost)).toFixed(1)}" y2="${y + 21}" class="goal"/>
  <text x="${LEFT + WIDTH + 10}" y="${y + 13}" class="small">${short(sessCost)} of ${short(peerCost)} µs</text>`
    },
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${LEFT + WIDTH + RIGHT}" height="${height}" viewBox="0 0 ${LEFT + WIDTH + RIGHT} ${height}" font-family="system-ui, sans-serif" font-size="12">
  <title>What Sess costs a request, as a share of what its peers cost</title>
  <style>
    svg { background: #fff }
    text { fill: #222 }
    .head { font-size: 15px; font-weight: 600 }
    .small { font-size: 11px; fill: #666 }
    .peer { fill: #e4e7ec }
    .sess { fill: #2f6f4f }
    .missed { fill: #b4552d }
    .goal { stroke: #222; stroke-width: 1.5; stroke-dasharray: 3 2 }
    .spread { stroke: #fff; stroke-width: 2; stroke-opacity: .8 }
  </style>
  <text x="20" y="24" class="head">Session cost of Sess, as a share of the peer's (full bar)</text>
  <text x="20" y="42" class="small">Server processor time a request above the bare framework; median of ${machine.rounds} rounds, thin line least to greatest; dashed line the goal. Node ${machine.node}.</text>
${rows.join('\n')}
</svg>
`
}

function short(micros: number): string {
  return micros < 10 ? micros.toFixed(1) : Math.round(micros).toLocaleString('en')
}
