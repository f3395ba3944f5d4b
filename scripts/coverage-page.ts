// Which test, store and adapter proves which line of docs/requirements.md. `pnpm requirements` writes docs/coverage.md.
// A test names its requirements in brackets at the end of its title, `[A4, F31]`, and a case of the conformance suite there
// or in its `source`.
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import ts from 'typescript'
import { adapterCases, cookieStoreCases, storeCases } from '../packages/conformance/src/index.ts'
import { root } from './workspace.ts'

const ID = /\b[ACFI]\d{1,2}\b/g
const BRACKETS = /\[([A-Z]\d{1,2}(?:, [A-Z]\d{1,2})*)\]$/
const LINK = /requirements\.md#([acfi]\d+)/g
const TESTS = ['packages/*/test/**/*.test.ts', '{examples,bench}/**/*.test.ts', 'scripts/*.test.ts']

/** Why a requirement has no test. */
const UNTESTED: Record<string, string> = {
  A22: 'A matter of documentation: the presets are in the README of core.',
}

/** What shows a requirement: titles of test files, and ids of conformance cases. */
interface Proof {
  files: Map<string, number>
  cases: string[]
}

/** The lines of docs/requirements.md, in their order. */
export function requirements(): string[] {
  const page = readFileSync(join(root, 'docs/requirements.md'), 'utf8')
  return [...page.matchAll(/^\| <a id="\w+"><\/a>(\w+) \|/gm)].map(([, id]) => id!)
}

/** The proof of each requirement. Throws if a test names a requirement that does not exist. */
export function proofs(): Map<string, Proof> {
  const found = new Map(
    requirements().map(id => [id, { files: new Map<string, number>(), cases: [] } as Proof]),
  )
  const proofOf = (id: string, where: string): Proof => {
    const proof = found.get(id)
    if (!proof) throw new Error(`${where} names ${id}, which docs/requirements.md does not have`)
    return proof
  }
  const files = globSync(TESTS, { cwd: root, exclude: path => path.includes('node_modules') }).sort()
  for (const file of files) {
    for (const title of titles(file)) {
      for (const id of idsOf(title, file)) {
        const proof = proofOf(id, file)
        proof.files.set(file, (proof.files.get(file) ?? 0) + 1)
      }
    }
  }
  for (const { id, title, source } of [...storeCases, ...cookieStoreCases, ...adapterCases]) {
    const linked = [...source.matchAll(LINK)].map(([, anchor]) => anchor!.toUpperCase())
    for (const requirement of new Set([...idsOf(title, id), ...linked])) {
      proofOf(requirement, id).cases.push(id)
    }
  }
  return found
}

/** The page, and what is wrong with the reasons in this file. */
export function coveragePage(): { page: string; problems: string[] } {
  const problems: string[] = []
  const rows = [...proofs()].map(([id, { files, cases }]) => {
    const anchor = id.toLowerCase()
    const link = `<a id="${anchor}"></a>[${id}](requirements.md#${anchor})`
    const isTested = files.size > 0 || cases.length > 0
    if (!isTested && !UNTESTED[id])
      problems.push(`${id} has no test, and scripts/coverage-page.ts has no reason`)
    if (isTested && UNTESTED[id])
      problems.push(`${id} has a test: remove its reason in scripts/coverage-page.ts`)
    if (!isTested) return `| ${link} | **none**: ${UNTESTED[id] ?? '?'} | | |`
    const tests = [
      ...cases.sort().map(name => `\`${name}\``),
      ...[...files].map(([file, count]) => `[${file}](../${file})${count > 1 ? ` (${count})` : ''}`),
    ]
    return `| ${link} | ${tests.join('<br>')} | ${shown(cases, files, stores)} | ${shown(cases, files, adapters)} |`
  })
  return { page: `${INTRODUCTION}\n${rows.join('\n')}\n`, problems }
}

const INTRODUCTION = `# Which test proves what

\`pnpm requirements\` writes this page from the titles of the tests, and \`npm test\` checks that it is current. Each line
is a [requirement](requirements.md). A name in \`code\` is a case of the conformance suite, and a file has a number if more
than one of its tests or groups of tests names the requirement. The suite runs on every store, cookie store or adapter in
the columns. A dash means that the test runs in core alone, or that the requirement has no such side.

| requirement | tests | stores | adapters |
| --- | --- | --- | --- |`

type Columns = (proof: { cases: string[]; files: string[] }) => string[]

/** The packages that run a part of the conformance suite. */
function running(call: string): string[] {
  const users = globSync('packages/*/test/*.ts', { cwd: root }).filter(file =>
    new RegExp(`${call}\\(|\\(${call},`).test(readFileSync(join(root, file), 'utf8')),
  )
  return [...new Set(users.map(packageOf))].sort()
}

function packageOf(file: string): string {
  return /^packages\/([^/]+)\//.exec(file)?.[1] ?? ''
}

const groups = {
  'store/': running('describeStore'),
  'engine/': running('describeStore'),
  'cookie-store/': running('describeCookieStore'),
  'adapter/': running('describeAdapter'),
}

const stores: Columns = proof => packagesOf(proof).filter(name => name.startsWith('store-'))
const ADAPTERS = ['express', 'fastify', 'fetch', 'h3', 'h3-v1', 'hono', 'koa', 'node']
const adapters: Columns = proof => packagesOf(proof).filter(name => ADAPTERS.includes(name))

function packagesOf({ cases, files }: { cases: string[]; files: string[] }): string[] {
  const suites = Object.entries(groups).flatMap(([group, users]) =>
    cases.some(name => name.startsWith(group)) ? users : [],
  )
  return [...new Set([...suites, ...files.map(packageOf)])].sort()
}

function shown(cases: string[], files: Map<string, number>, columns: Columns): string {
  const names = columns({ cases, files: [...files.keys()] }).map(name => name.replace('store-', ''))
  return names.join(', ') || '–'
}

/** The requirements in the brackets at the end of a title. Throws if the title names one elsewhere. */
function idsOf(title: string, where: string): string[] {
  const ids = BRACKETS.exec(title)?.[1] ?? ''
  const sentence = title.replace(BRACKETS, '')
  if (sentence.match(ID)) {
    throw new Error(
      `${where}: put the requirements at the end of the title, in brackets, [A4, F31]: ${title}`,
    )
  }
  return ids.match(ID) ?? []
}

/** The titles of the tests and groups of tests in a file. */
function titles(file: string): string[] {
  const source = ts.createSourceFile(
    file,
    readFileSync(join(root, file), 'utf8'),
    ts.ScriptTarget.Latest,
    false,
  )
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && isTest(node.expression)) {
      const [title] = node.arguments
      if (title && ts.isStringLiteralLike(title)) found.push(title.text)
      if (title && ts.isTemplateExpression(title))
        found.push(source.text.slice(title.getStart(source) + 1, title.end - 1))
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

/** `it`, `test.each(…)`, `describe.skipIf(…)` and the like. */
function isTest(node: ts.Node): boolean {
  if (ts.isIdentifier(node)) return ['it', 'test', 'describe'].includes(node.text)
  return (ts.isPropertyAccessExpression(node) || ts.isCallExpression(node)) && isTest(node.expression)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { page, problems } = coveragePage()
  writeFileSync(join(root, 'docs/coverage.md'), page)
  for (const problem of problems) console.log(problem)
  console.log(`docs/coverage.md: ${requirements().length} requirements`)
  process.exitCode = problems.length === 0 ? 0 : 1
}
