// Checks the prose of the project (rules: CONTRIBUTING.md, "Words"): `pnpm words`. In comments and Markdown it finds
// words that readers stumbled over and sentences of more than 40 words. On what packages export it finds missing
// docstrings and examples.
import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import ts from 'typescript'
import { codeExports, publicPackages, root } from './workspace.ts'

const FILES = [
  '*.md',
  'docs/**/*.md',
  '{packages,examples}/*/README.md',
  'packages/*/{src,test,campaign}/**/*.ts',
  'examples/*/**/*.{ts,js}',
  '{scripts,bench}/**/*.{ts,mjs}',
]
const EXCLUDED = [
  /node_modules/,
  /\/dist\//,
  /CHANGELOG\.md$/,
  /^bench\/results/,
  /^docs\/(coverage|requirements)\.md$/,
]
const MAX_WORDS = 40

/** Words with a plainer one. Each pattern leaves the plain meaning alone. */
const WORDS: [pattern: RegExp, instead: string][] = [
  [/\banswers\b(?! (to|of|from)\b)/gi, 'returns, sends, responds'],
  [/\brefus(e|es|ed|al|als)\b/gi, 'rejects, throws, fails'],
  [/\bwhoever\b/gi, 'who, a caller that, if somebody'],
  [/\bdoomed\b/gi, 'removed, to be removed'],
  [/\bhears? of\b/gi, 'is notified of, learns'],
  [/\bis told\b/gi, 'is notified, gets'],
  [/\bdemands?\b/gi, 'needs, requires'],
  [/\bgoes on\b/gi, 'continues'],
  [/(?<=[.!?:] |^)(Of (a|an|the|what)|Who|What) [a-z][^?]*$/gm, 'the subject first, then the verb'],
  [/(?<=[a-z], )for (it|they|he|this|that|there|nobody|nothing|otherwise) /g, 'because'],
]

/** Uses that are right as they are, with the reason. */
const EXCEPTIONS: [pattern: RegExp, reason: string][] = [
  [/connection (is )?refused|ECONNREFUSED/gi, "the operating system's word"],
  [/`[^`]*`/g, 'code is not prose'],
  [/"[^"\n]*"/g, 'quoted: somebody else said it'],
]

export interface Finding {
  file: string
  line: number
  what: string
}

/** The findings in a text that stands at a line of a file. */
export function inProse(text: string, file = '', line = 1): Finding[] {
  const at = (index: number): number => line + text.slice(0, index).split('\n').length - 1
  // What is taken out keeps its length, so that lines stay right.
  let prose = text
  for (const [pattern] of EXCEPTIONS) {
    prose = prose.replace(pattern, found => found.replace(/[^\n]/g, 'x'))
  }
  const findings: Finding[] = []
  for (const [pattern, instead] of WORDS) {
    for (const found of prose.matchAll(pattern)) {
      const word = found[0].split('\n')[0]!.slice(0, 30)
      findings.push({ file, line: at(found.index), what: `"${word}": ${instead}` })
    }
  }
  for (const found of prose.matchAll(
    /[^.!?:;|\n][^.!?:;|]*?(?:[.!?:;](?=\s|$)|\||\n\s*\n|\n\s*(?:[-*#>]|\d+\.) |$)/g,
  )) {
    const words = found[0].split(/\s+/).filter(word => /\w/.test(word)).length
    if (words > MAX_WORDS)
      findings.push({ file, line: at(found.index), what: `a sentence of ${words} words` })
  }
  return findings
}

function inMarkdown(file: string, text: string): Finding[] {
  const blank = (found: string): string => found.replace(/[^\n]/g, ' ')
  const prose = text
    .replace(/^```[\s\S]*?^```/gm, blank)
    .replace(/\]\([^)]*\)/g, blank)
    .replace(/<[^>]*>/g, blank)
  return inProse(prose, file)
}

function inComments(file: string, text: string): Finding[] {
  const comments: { start: number; end: number }[] = []
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const visit = (node: ts.Node): void => {
    if (ts.isTemplateLiteral(node) || ts.isStringLiteral(node)) return
    for (const range of ts.getLeadingCommentRanges(text, node.getFullStart()) ?? []) {
      if (comments.some(({ start }) => start === range.pos)) continue
      comments.push({ start: range.pos, end: range.end })
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return joined(
    comments.toSorted((a, b) => a.start - b.start),
    text,
  ).flatMap(({ start, end }) => {
    const comment = text
      .slice(start, end)
      .replace(/^([ \t]*)(\/\*\*?|\*\/|\*(?!\/)|\/\/)/gm, found => found.replace(/\S/g, ' '))
      .replace(/\*\//g, '  ')
    const [prose = ''] = comment.split('@example')
    return inProse(prose, file, text.slice(0, start).split('\n').length)
  })
}

/** Comments with nothing but space between them are one text. */
function joined(comments: { start: number; end: number }[], text: string): { start: number; end: number }[] {
  const all: { start: number; end: number }[] = []
  for (const comment of comments) {
    const last = all.at(-1)
    if (last && /^\s*$/.test(text.slice(last.end, comment.start))) last.end = comment.end
    else all.push({ ...comment })
  }
  return all
}

/** Exported functions, and methods of `Session` and `Sessions`, without a docstring or without an `@example`. */
function inExports(): Finding[] {
  const entries = publicPackages().flatMap(({ folder, manifest }) =>
    codeExports(manifest).map(([, source]) => join(folder, source)),
  )
  const program = ts.createProgram(entries, {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    allowImportingTsExtensions: true,
    noEmit: true,
    skipLibCheck: true,
  })
  const checker = program.getTypeChecker()
  const findings = new Map<string, Finding>()
  const add = (declaration: ts.Node | undefined, what: string): void => {
    if (!declaration) return
    const source = declaration.getSourceFile()
    const file = source.fileName.slice(root.length + 1)
    if (!file.startsWith('packages/')) return
    const line = source.getLineAndCharacterOfPosition(declaration.getStart()).line + 1
    findings.set(`${file}:${what}`, { file, line, what })
  }
  const check = (symbol: ts.Symbol, name: string, needsExample: boolean): void => {
    const declaration = symbol.declarations?.[0]
    const hasExample = symbol.getJsDocTags(checker).some(tag => tag.name === 'example')
    if (symbol.getDocumentationComment(checker).length === 0) add(declaration, `${name} has no docstring`)
    else if (needsExample && !hasExample) add(declaration, `${name} has no @example`)
  }
  for (const entry of entries) {
    const module = checker.getSymbolAtLocation(program.getSourceFile(entry)!)
    for (const exported of module ? checker.getExportsOfModule(module) : []) {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported
      check(symbol, exported.name, (symbol.flags & ts.SymbolFlags.Function) !== 0)
      if (!['Session', 'Sessions'].includes(exported.name)) continue
      for (const member of symbol.members?.values() ?? []) {
        const isMethod = (member.flags & ts.SymbolFlags.Method) !== 0
        const isOurs = !member.name.startsWith('__') && !member.name.startsWith('#')
        if (isMethod && isOurs) check(member, `${exported.name}.${member.name}`, true)
      }
    }
  }
  return [...findings.values()]
}

export function allFindings(): Finding[] {
  const files = globSync(FILES, { cwd: root, exclude: path => path.includes('node_modules') })
    .filter(file => !EXCLUDED.some(pattern => pattern.test(file)))
    .filter(file => basename(file) !== 'plain-words.ts')
    .sort()
  const prose = files.flatMap(file => {
    const text = readFileSync(join(root, file), 'utf8')
    return file.endsWith('.md') ? inMarkdown(file, text) : inComments(file, text)
  })
  return [...prose, ...inExports()]
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const findings = allFindings()
  for (const { file, line, what } of findings) console.log(`${file}:${line} ${what}`)
  console.log(`${findings.length} findings`)
  process.exitCode = findings.length === 0 ? 0 : 1
}
