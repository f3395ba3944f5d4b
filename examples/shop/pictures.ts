import { type Html, html } from './html.ts'

function picture(background: string, shapes: Html): Html {
  return html`<svg class="picture" viewBox="0 0 240 180" aria-hidden="true" focusable="false">
    <rect width="240" height="180" fill="${background}" />
    ${shapes}
  </svg>`
}

export const mug = picture(
  '#f3ddcf',
  html`<ellipse cx="116" cy="148" rx="62" ry="7" fill="#dfbfac" />
    <path d="M152 82h12a21 21 0 0 1 0 42h-14" fill="none" stroke="#a84e33" stroke-width="11" stroke-linecap="round" />
    <path d="M72 68h84v54a26 26 0 0 1-26 26H98a26 26 0 0 1-26-26z" fill="#c4643f" />
    <path d="M72 68h84v22c-16 9-28-4-42 3s-28 6-42 0z" fill="#f8efe6" />
    <ellipse cx="114" cy="68" rx="42" ry="8" fill="#fdf8f2" />
    <ellipse cx="114" cy="69" rx="35" ry="5.5" fill="#5d3a2c" />
    <path d="M98 52c-7-8 7-12 0-22M116 52c-7-8 7-12 0-22M134 52c-7-8 7-12 0-22" fill="none" stroke="#fdf8f2" stroke-width="4" stroke-linecap="round" />`,
)

export const kettle = picture(
  '#d5e3df',
  html`<ellipse cx="120" cy="150" rx="66" ry="7" fill="#b5cbc4" />
    <path d="M78 78c0-62 84-62 84 0" fill="none" stroke="#2b443e" stroke-width="8" stroke-linecap="round" />
    <path d="M98 34h44" stroke="#b98253" stroke-width="12" stroke-linecap="round" />
    <path d="M168 108c16-2 18-22 34-30l6 9c-12 12-10 34-36 42z" fill="#2f5d53" />
    <path d="M74 84h92c12 18 18 38 16 66H58c-2-28 4-48 16-66z" fill="#3d7568" />
    <path d="M74 84h20c-12 18-18 38-17 66H58c-2-28 4-48 16-66z" fill="#4f8a7c" />
    <path d="M76 84c4-15 84-15 88 0z" fill="#2f5d53" />
    <circle cx="120" cy="67" r="7" fill="#b98253" />`,
)

export const dripper = picture(
  '#e9e2d0',
  html`<ellipse cx="120" cy="158" rx="56" ry="6" fill="#d0c6ab" />
    <path d="M108 76h24l34 66a10 10 0 0 1-9 14H83a10 10 0 0 1-9-14z" fill="#f9fbf8" fill-opacity=".8" />
    <path d="M91 116h58l14 28a6 6 0 0 1-6 9H83a6 6 0 0 1-6-9z" fill="#6b4130" />
    <path d="M91 116h58l3 6H88z" fill="#8a5a43" />
    <path d="M74 28h92l-34 48h-24z" fill="#f9fbf8" fill-opacity=".85" />
    <path d="M85 28h70l-26 40h-18z" fill="#fffdf8" />
    <path d="M93 40h54l-6 9H99z" fill="#8a5a43" />
    <path d="M104 66h32l5 20h-42z" fill="#c79a67" />
    <path d="M101 76h38" stroke="#8a5e36" stroke-width="4" />
    <circle cx="120" cy="76" r="5" fill="#8a5e36" />`,
)

export const beans = picture(
  '#e4d9e2',
  html`<ellipse cx="120" cy="160" rx="58" ry="6" fill="#c9b8c6" />
    <path d="M78 44h84l6 108a8 8 0 0 1-8 8H80a8 8 0 0 1-8-8z" fill="#4b3a4c" />
    <path d="M78 44h22l-6 116H80a8 8 0 0 1-8-8z" fill="#5b485c" />
    <path d="M76 28h88v22H76z" fill="#3a2c3b" />
    <path d="M70 34h100v9H70z" fill="#d6a45c" />
    <rect x="90" y="72" width="60" height="62" rx="4" fill="#f7efe4" />
    <g transform="rotate(32 120 96)">
      <ellipse cx="120" cy="96" rx="12" ry="17" fill="#7a4b37" />
      <path d="M120 80c-7 9 7 21 0 32" fill="none" stroke="#f7efe4" stroke-width="3" />
    </g>
    <path d="M102 122h36" stroke="#4b3a4c" stroke-width="4" stroke-linecap="round" />`,
)

export const honey = picture(
  '#f5e4b8',
  html`<ellipse cx="112" cy="156" rx="54" ry="6" fill="#dfc88d" />
    <path d="M72 62h80a10 10 0 0 1 8 10v70a14 14 0 0 1-14 14H78a14 14 0 0 1-14-14V72a10 10 0 0 1 8-10z" fill="#e09a26" />
    <path d="M72 62h14v94h-8a14 14 0 0 1-14-14V72a10 10 0 0 1 8-10z" fill="#ecb04a" />
    <rect x="70" y="42" width="84" height="20" rx="5" fill="#fbf5e6" />
    <path d="M70 54h84v3a5 5 0 0 1-5 5H75a5 5 0 0 1-5-5z" fill="#e6dabb" />
    <path d="M112 80l23 13v26l-23 13-23-13V93z" fill="#fbf5e6" />
    <path d="M112 91l13 8v15l-13 8-13-8V99z" fill="#e09a26" />
    <path d="M206 34l-24 68" stroke="#9a6a38" stroke-width="6" stroke-linecap="round" />
    <g transform="rotate(19 177 118)" fill="#b98046">
      <rect x="164" y="98" width="26" height="8" rx="4" />
      <rect x="160" y="108" width="34" height="8" rx="4" />
      <rect x="160" y="118" width="34" height="8" rx="4" />
      <rect x="164" y="128" width="26" height="8" rx="4" />
    </g>`,
)

export const bread = picture(
  '#dde3ea',
  html`<ellipse cx="116" cy="150" rx="84" ry="7" fill="#c0cad6" />
    <path d="M26 128h142l38-6a10 10 0 0 1 3 20l-41 4H26a9 9 0 0 1 0-18z" fill="#c99d6c" />
    <path d="M24 137h144l40-5" fill="none" stroke="#b1834f" stroke-width="3" />
    <circle cx="200" cy="132" r="4" fill="#dde3ea" />
    <path d="M40 128c-8-34 14-66 62-66s68 32 60 66z" fill="#b8703a" />
    <path d="M40 128c-8-34 14-66 62-66 5 0 9 0 13 1-40 5-58 33-52 65z" fill="#cc8548" />
    <path d="M76 72c10 8 12 20 10 32M104 67c10 9 12 22 10 34M131 74c8 8 10 18 9 28" fill="none" stroke="#f4dcb4" stroke-width="6" stroke-linecap="round" />`,
)
