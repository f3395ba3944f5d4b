// The specification is two pages. Whatever names one of their lines must find it there.
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, it } from 'vitest'
import { adapterCases, cookieStoreCases, storeCases } from '../packages/conformance/src/index.ts'
import { coveragePage, proofs } from './coverage-page.ts'
import { root } from './workspace.ts'

const pages = globSync(['*.md', 'docs/**/*.md', 'packages/*/README.md', 'examples/*/README.md'], {
  cwd: root,
  exclude: path => path.includes('node_modules'),
}).sort()
const text = (page: string): string => readFileSync(join(root, page), 'utf8')

/** The names that a link may have after `#`: explicit anchors, and those that GitHub makes of headings. */
function anchors(page: string): Set<string> {
  const markdown = text(page).replace(/^```[\s\S]*?^```$/gm, '')
  const explicit = [...markdown.matchAll(/<a id="([^"]+)">/g)].map(found => found[1]!)
  const headings = [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
  expect(new Set(explicit).size, `${page} has an anchor twice`).toBe(explicit.length)
  return new Set([...explicit, ...headings])
}

it('every relative link in a page leads to a file, and to an anchor in it', () => {
  const broken = pages.flatMap(page =>
    [...text(page).matchAll(/\]\((?!https?:|mailto:)([^)\s]*)\)/g)].flatMap(([, link = '']) => {
      const [path = '', anchor] = link.split('#')
      const target = path === '' ? page : relative(root, join(root, dirname(page), path))
      const found = globSync(target, { cwd: root }).length > 0
      const isThere = found && (!anchor || !target.endsWith('.md') || anchors(target).has(anchor))
      return isThere ? [] : [`${page}: ${link}`]
    }),
  )
  expect(broken).toEqual([])
})

it('every requirement has one anchor, its own ID in lower case', () => {
  const rows = [...text('docs/requirements.md').matchAll(/^\| <a id="([^"]+)"><\/a>(\w+) \|/gm)]
  expect(rows.length).toBeGreaterThan(100)
  for (const [, anchor, id] of rows) expect(anchor).toBe(id!.toLowerCase())
})

it('every requirement has a test or the reason why not, and docs/coverage.md is current (pnpm requirements)', () => {
  const { page, problems } = coveragePage()
  expect(problems).toEqual([])
  expect(text('docs/coverage.md')).toBe(page)
})

it('every requirement of docs/asvs.md has a test, and the test has the title that the page says', () => {
  const rows = [
    ...text('docs/asvs.md').matchAll(/^\| (7\.\d\.\d) \|.*\| \[([^\]]+)\]\(\.\.\/([^)]+)\) \|$/gm),
  ]
  expect(rows).toHaveLength(19)
  const wrong = rows
    .filter(([, , title, file]) => !text(file!).includes(title!))
    .map(([, id, title]) => `${id}: ${title}`)
  expect(wrong).toEqual([])
})

it('the source of every conformance case begins with links that lead somewhere', () => {
  const broken = [...storeCases, ...cookieStoreCases, ...adapterCases].flatMap(({ id, source }) => {
    const [links = ''] = source.split('; ')
    return links.split(', ').flatMap(link => {
      const [, page, anchor] = /^(docs\/[a-z-]+\.md)#([\w-]+)$/.exec(link) ?? []
      return page && anchors(page).has(anchor!) ? [] : [`${id}: ${link}`]
    })
  })
  expect(broken).toEqual([])
})

it('every promise of SECURITY.md names requirements, and each of them has a test', () => {
  const { promised, rest } = promises()
  expect(promised.length).toBeGreaterThan(10)
  const found = proofs()
  const isTested = (id: string): boolean => {
    const proof = found.get(id.toUpperCase())
    return proof !== undefined && proof.files.size + proof.cases.length > 0
  }
  const linked = (line: string): string[] =>
    [...line.matchAll(/\(docs\/coverage\.md#(\w+)\)/g)].map(([, id]) => id!)
  expect(promised.filter(line => linked(line).length === 0)).toEqual([])
  expect([...promised, rest].flatMap(linked).filter(id => !isTested(id))).toEqual([])
})

/** The rows of the tables of promises, and all other text. */
function promises(): { promised: string[]; rest: string } {
  const lines = text('SECURITY.md').split('\n')
  const isPromise = (line: string): boolean => /^\| (?!promise \||---)/.test(line)
  return { promised: lines.filter(isPromise), rest: lines.filter(line => !isPromise(line)).join('\n') }
}
