import ts from 'typescript'

/**
 * Bundling declarations forgets that `export type { Session }` exports a class as a type alone, and so promises a
 * value that is not there. This writes `type` before every exported name of a declaration file that its JavaScript
 * does not export.
 */
export function markTypes(declarations: string, javascript: string): string {
  const values = new Set(exportedNames(javascript).map(({ name }) => name.text))
  let marked = declarations
  for (const specifier of exportedNames(declarations).toReversed()) {
    if (values.has(specifier.name.text) || isMarked(specifier)) continue
    marked = `${marked.slice(0, specifier.getStart())}type ${marked.slice(specifier.getStart())}`
  }
  return marked
}

/** The names in the export lists of a bundle, which has no other exports. */
function exportedNames(code: string): ts.ExportSpecifier[] {
  const source = ts.createSourceFile('bundle.ts', code, ts.ScriptTarget.Latest, true)
  return source.statements.flatMap(statement => {
    if (!ts.isExportDeclaration(statement)) {
      const isExported = ts.canHaveModifiers(statement) && ts.getModifiers(statement)?.some(isExport)
      if (isExported) throw new Error(`An export outside of a list: ${statement.getText().slice(0, 80)}`)
      return []
    }
    if (!statement.exportClause || !ts.isNamedExports(statement.exportClause)) {
      throw new Error(`An export without names: ${statement.getText()}`)
    }
    return [...statement.exportClause.elements]
  })
}

function isExport(modifier: ts.Modifier): boolean {
  return modifier.kind === ts.SyntaxKind.ExportKeyword
}

function isMarked(specifier: ts.ExportSpecifier): boolean {
  return specifier.isTypeOnly || specifier.parent.parent.isTypeOnly
}
