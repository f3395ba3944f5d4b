/** The look of the pages: light and dark, from 390 px on. Colours have a contrast of 4.5 or more (WCAG 2.2, 1.4.3). */
export const style = `
:root {
  --ground: #f5f6f8; --card: #fff; --line: #e1e5ea; --line-strong: #868f9c;
  --text: #17202b; --soft: #556070; --accent: #0f766e; --accent-soft: #e3f3f0; --on-accent: #fff;
  --danger: #b42318; --danger-soft: #fdeceb; --on-danger: #fff; --warn: #8a4b08; --warn-soft: #fdf3e2;
  --created: #0f766e; --ended: #c2703d; --shadow: 0 1px 2px rgb(16 24 40 / .06);
  --string: #0b6b3a; --number: #7a3fb0; --key: #1f4fa3;
  --mono: ui-monospace, 'SF Mono', 'Cascadia Code', 'Roboto Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace;
  color-scheme: light dark;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0e1217; --card: #161b22; --line: #272f3a; --line-strong: #6d7887;
    --text: #e6eaf0; --soft: #a0abba; --accent: #5fd0bf; --accent-soft: #12302d; --on-accent: #06201d;
    --danger: #ff8a80; --danger-soft: #351a19; --on-danger: #2b0806; --warn: #f2b866; --warn-soft: #33260f;
    --created: #45b8a6; --ended: #d98c56; --shadow: none;
    --string: #86d6a4; --number: #c9a4f0; --key: #93b8f5;
  }
}
*, ::before, ::after { box-sizing: border-box }
html { scrollbar-gutter: stable }
body { margin: 0; background: var(--ground); color: var(--text); font: 15px/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif; font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
a { color: var(--accent); text-underline-offset: .18em; text-decoration-thickness: 1px }
a:hover { text-decoration-thickness: 2px }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 4px }
main:focus { outline: none }
code, .id { font-family: var(--mono); font-size: .92em }
.muted { color: var(--soft) }
.visually-hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
[hidden] { display: none !important }
.skip { position: absolute; left: -9999px }
.skip:focus { left: 12px; top: 12px; z-index: 2; background: var(--card); padding: 8px 14px; border-radius: 8px }

.bar { background: var(--card); border-bottom: 1px solid var(--line) }
.bar .inner { max-width: 1080px; margin: 0 auto; padding: 0 24px; min-height: 56px; display: flex; flex-wrap: wrap; align-items: center; gap: 4px 16px }
.brand { display: flex; align-items: center; gap: 9px; font-weight: 650; font-size: 16px; color: var(--text); text-decoration: none; padding: 6px 0 }
.brand svg { width: 24px; height: 24px }
.brand .back { fill: var(--accent); opacity: .45 } .brand .front { fill: var(--accent) }
.label { color: var(--soft); border-left: 1px solid var(--line); padding-left: 16px; font-size: 14px }
.bar nav { display: flex; gap: 4px; margin-left: auto; align-self: stretch }
.bar nav a { display: flex; align-items: center; padding: 0 12px; min-height: 44px; color: var(--soft); text-decoration: none; border-bottom: 2px solid transparent; border-top: 2px solid transparent; font-weight: 500 }
.bar nav a:hover { color: var(--text) }
.bar nav a[aria-current] { color: var(--text); border-bottom-color: var(--accent) }

main { max-width: 1080px; margin: 0 auto; padding: 28px 24px 72px }
h1 { font-size: 26px; line-height: 1.25; letter-spacing: -.012em; margin: 0 0 18px; font-weight: 650 }
h2 { font-size: 16px; margin: 0 0 4px; font-weight: 620 }
p { margin: 0 0 12px; max-width: 76ch }
.about { color: var(--soft); font-size: 14px; margin: 0 0 14px }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 20px 22px; margin: 0 0 20px; box-shadow: var(--shadow) }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 0 20px }
.pair .card { display: flex; flex-direction: column } .pair .card > .about:last-child { margin: auto 0 0; padding-top: 14px }
.banner, .done, .warning { border-radius: 10px; padding: 11px 16px; margin: 0 0 20px; max-width: none }
.banner, .warning { background: var(--warn-soft); color: var(--warn) }
.done { background: var(--accent-soft); color: var(--text); border-left: 4px solid var(--accent) }
.empty { background: var(--card); border: 1px dashed var(--line-strong); border-radius: 12px; padding: 36px 20px; text-align: center; color: var(--soft); max-width: none }
.crumbs { font-size: 14px; margin: 0 0 6px }

button, .button { font: inherit; font-weight: 550; display: inline-block; min-height: 42px; padding: 8px 16px; border: 1px solid var(--line-strong); border-radius: 9px; background: var(--card); color: var(--text); cursor: pointer; text-decoration: none }
button:hover, .button:hover { border-color: var(--text) }
button.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent) }
button.danger { background: var(--danger); border-color: var(--danger); color: var(--on-danger) }
button.primary:hover, button.danger:hover { filter: brightness(1.08) }
button.quiet { min-height: 30px; padding: 2px 10px; font-size: 13px }

.search { display: grid; grid-template-columns: 1fr 190px auto; gap: 6px 12px; align-items: end; margin: 0 0 24px }
.search label { display: block; font-size: 13px; font-weight: 550; color: var(--soft); margin: 0 0 4px }
.search input, .search select { font: inherit; width: 100%; min-height: 42px; padding: 8px 12px; border: 1px solid var(--line-strong); border-radius: 9px; background: var(--card); color: var(--text) }
.search input::placeholder { color: var(--soft); opacity: 1 }
.search .help { grid-column: 1 / -1; color: var(--soft); font-size: 13px; margin: 0; max-width: none }

.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 14px; margin: 0 0 20px }
.tiles > div { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 16px 20px; box-shadow: var(--shadow) }
.tiles dt { color: var(--soft); font-size: 13px; font-weight: 550 }
.tiles dd { margin: 2px 0 0 } .tiles dd b { display: block; font-size: 25px; line-height: 1.3; font-weight: 650; letter-spacing: -.015em }
.tiles dd .muted { font-size: 13px }

.legend { list-style: none; margin: 0 0 12px; padding: 0; display: flex; flex-wrap: wrap; gap: 4px 22px; font-size: 14px }
.legend li { display: flex; gap: 7px; align-items: center }
.legend li::before { content: ''; width: 11px; height: 11px; border-radius: 3px; background: currentColor }
.legend .created::before, rect.created { background: var(--created); fill: var(--created) }
.legend .ended::before, rect.ended { background: var(--ended); fill: var(--ended) }
.plot { position: relative }
.plot svg { display: block; width: 100%; height: 132px }
.plot .most { position: absolute; top: -20px; right: 0; font-size: 12px; color: var(--soft) }
.grid { stroke: var(--line); fill: none; vector-effect: non-scaling-stroke }
.axis { display: flex; justify-content: space-between; color: var(--soft); font-size: 12px; margin: 6px 0 10px; max-width: none }
summary { cursor: pointer; width: fit-content; border-radius: 6px }
.figures > summary { color: var(--soft); font-size: 14px }
.figures .plain { margin-top: 10px }
table { border-collapse: collapse; width: 100%; font-size: 14px }
th { text-align: left; font-weight: 550 } thead th { color: var(--soft); font-size: 13px }
.plain th, .plain td { padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line) } .plain { max-width: 420px }
.bars th, .bars td { padding: 6px 0 } .bars th[scope=row] { font-weight: 450; white-space: nowrap; padding-right: 16px; width: 1% }
.bars td:last-child, .bars th:last-child { white-space: nowrap; text-align: right; padding-left: 14px; width: 1% }
.bars .bar { background: none; border: 0; position: relative } .bars svg { display: block; width: 100%; height: 9px; border-radius: 5px }
.track { fill: var(--accent-soft) } .fill { fill: var(--accent) }
.subjects { margin: 0; padding: 0; list-style: none } .subjects li { display: flex; justify-content: space-between; gap: 16px; padding: 7px 0; border-top: 1px solid var(--line) } .subjects li:first-child { border-top: 0 }

.summary { display: flex; flex-wrap: wrap; justify-content: space-between; align-items: flex-start; gap: 8px 24px; margin: 0 0 12px }
.summary > p { color: var(--soft); margin: 0; padding-top: 8px; flex: 1 1 300px } .summary h1 { margin: 0 0 8px }
.sessions { background: var(--card); border: 1px solid var(--line); border-radius: 12px; border-collapse: separate; border-spacing: 0; box-shadow: var(--shadow); margin: 0 0 20px }
.sessions th, .sessions td { padding: 11px 16px; border-top: 1px solid var(--line); vertical-align: top }
.sessions thead th { border-top: 0; padding: 10px 16px }
.sessions tbody tr:hover { background: color-mix(in srgb, var(--accent-soft) 45%, transparent) }
.sessions td:last-child, .sessions thead th:last-child { text-align: right; white-space: nowrap } .events td:last-child, .events thead th:last-child { text-align: left }
.sessions .name { display: none } .sessions time { white-space: nowrap }
.tag { display: inline-block; font: 550 12px/1.6 system-ui, sans-serif; padding: 1px 8px; border-radius: 99px; background: var(--ground); border: 1px solid var(--line); color: var(--soft); white-space: nowrap }
.tag.begin { background: var(--accent-soft); color: var(--accent); border-color: transparent }
.tag.end { background: var(--warn-soft); color: var(--warn); border-color: transparent }
.tag.alarm { background: var(--danger-soft); color: var(--danger); border-color: transparent }
.stream { display: flex; flex-wrap: wrap; gap: 10px; align-items: center } .stream [role=status] { color: var(--soft) }
@media (prefers-reduced-motion: no-preference) { .new { animation: arrive 1.6s ease-out } @keyframes arrive { from { background: var(--accent-soft) } } }
.pager { display: flex; gap: 12px; justify-content: space-between; flex-wrap: wrap } .pager a { padding: 9px 0 } .pager .next { margin-left: auto; font-weight: 550 }

.confirm { position: relative }
.confirm > summary { list-style: none; border: 1px solid var(--danger); color: var(--danger); border-radius: 9px; min-height: 42px; padding: 8px 16px; font-weight: 550; background: var(--card) }
.confirm > summary::-webkit-details-marker { display: none }
.confirm > summary:hover { background: var(--danger-soft) }
.confirm form { position: absolute; right: 0; top: calc(100% + 8px); z-index: 1; width: min(360px, calc(100vw - 40px)); background: var(--card); border: 1px solid var(--line-strong); border-radius: 12px; padding: 16px 18px; box-shadow: 0 12px 32px rgb(0 0 0 / .18) }
.confirm .button { margin-left: 4px }

.facts { display: grid; grid-template-columns: repeat(3, 1fr); gap: 16px 24px; margin: 12px 0 0 }
.facts dt { color: var(--soft); font-size: 13px; font-weight: 550 } .facts dd { margin: 0 } .facts .wide { grid-column: 1 / -1 } .facts time + .muted { display: block }
.tree { font: 13.5px/1.65 var(--mono) } .tree ul { list-style: none; margin: 0; padding: 0 } .tree ul ul { padding-left: 18px; border-left: 1px solid var(--line); margin-left: 5px }
.tree li { padding: 2px 0 } .tree bdi { unicode-bidi: isolate }
.key { color: var(--key) } .key::after, .index::after { content: ':'; color: var(--soft) } .index { color: var(--soft) }
.string { color: var(--string); white-space: pre-wrap } .number, .boolean { color: var(--number) } .null { color: var(--soft) }
.masked { color: var(--warn); background: var(--warn-soft); border-radius: 5px; padding: 0 7px; font-family: system-ui, sans-serif; font-size: 12.5px }

@media (max-width: 760px) {
  .bar .inner { padding: 6px 16px 0 } .bar nav { margin-left: -12px; width: calc(100% + 12px) } .label { padding-left: 12px }
  main { padding: 20px 16px 56px } h1 { font-size: 23px } .card { padding: 16px }
  .search { grid-template-columns: 1fr auto } .search .field:first-of-type { grid-column: 1 / -1 }
  .pair { grid-template-columns: 1fr } .tiles { grid-template-columns: 1fr 1fr; gap: 10px } .tiles > div { padding: 12px 14px } .tiles dd b { font-size: 21px }
  .facts { grid-template-columns: 1fr 1fr }
  .sessions, .sessions tbody { display: block }
  .sessions thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }
  .sessions tr { display: grid; grid-template-columns: 1fr 1fr; gap: 6px 16px; padding: 13px 16px; border-top: 1px solid var(--line) } .sessions tbody tr:first-child { border-top: 0 }
  .sessions th[scope=row], .sessions td { border: 0; padding: 0 } .sessions td:last-child { text-align: left }
  .sessions .name { display: block; color: var(--soft); font-size: 12px; line-height: 1.3 }
  .sessions th[scope=row] { align-self: end }
  .events tr { grid-template-columns: 1fr auto auto; gap: 4px 14px } .events th[scope=row] { align-self: start } .events .id { white-space: nowrap } .events td:last-child { grid-column: 2 / -1 } .events td:empty { display: none }
  .confirm[open] { width: 100% } .confirm form { position: static; width: auto; margin-top: 8px; box-shadow: none }
}
`
