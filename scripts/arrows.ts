// The rule of the arrows: which imports the design allows. `pnpm arrows` checks the workspace.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { cruise, type ICruiseResult, type IForbiddenRuleType } from 'dependency-cruiser'
import { root } from './workspace.ts'

const PORTABLE = 'core|h3|store-cookie|store-cache'
const TEST_HELP = '^packages/(core|conformance|store-[^/]+)/'

const rules: IForbiddenRuleType[] = [
  {
    name: 'portable-code-imports-node',
    comment: `${PORTABLE.replaceAll('|', ', ')} run on every runtime; Node stands behind #crypto alone.`,
    from: { path: `^packages/(${PORTABLE})/src/`, pathNot: '^packages/core/src/crypto-node\\.ts$' },
    to: { dependencyTypes: ['core'] },
  },
  {
    name: 'store-imports-framework',
    comment: 'A store never sees a framework, an adapter or the response gate.',
    from: { path: '^packages/store-[^/]+/' },
    to: {
      path: [
        '^packages/(node|express|koa|h3)/',
        'node_modules/(@types/)?(express|koa|h3|hono|fastify|connect)(/|$)',
        '^(express|koa|h3|hono|fastify|connect|@sess/(node|express|koa|h3))$',
      ],
    },
  },
  {
    name: 'core-imports-package',
    comment: 'Everything points at core; core points at nobody.',
    from: { path: '^packages/core/src/' },
    to: { path: ['^packages/', '^@sess/'], pathNot: '^packages/core/' },
  },
  {
    name: 'sideways',
    comment: 'A package may import core alone; express and koa also node.',
    from: { path: '^packages/([^/]+)/src/', pathNot: '^packages/(express|koa)/' },
    to: { path: ['^packages/', '^@sess/'], pathNot: ['^packages/$1/', '^packages/core/', '^@sess/core'] },
  },
  {
    name: 'sideways-adapter',
    comment: 'express and koa may import core and node alone.',
    from: { path: '^packages/(express|koa)/src/' },
    to: {
      path: ['^packages/', '^@sess/'],
      pathNot: ['^packages/$1/', '^packages/(core|node)/', '^@sess/(core|node)'],
    },
  },
  {
    name: 'sideways-test',
    comment: 'Tests may also use conformance, the stores and the fixtures.',
    from: { path: '^packages/([^/]+)/test/', pathNot: '^packages/(express|koa)/' },
    to: { path: '^packages/', pathNot: ['^packages/$1/', TEST_HELP] },
  },
  {
    name: 'sideways-adapter-test',
    comment: 'Tests of express and koa may also use node, conformance, the stores and the fixtures.',
    from: { path: '^packages/(express|koa)/test/' },
    to: { path: '^packages/', pathNot: ['^packages/$1/', '^packages/node/', TEST_HELP] },
  },
  {
    name: 'into-another-package',
    comment: "Another package's files are private: import its name.",
    // A test on Node has to name the file to see the other side of #crypto.
    from: { path: '^packages/([^/]+)/', pathNot: '^packages/[^/]+/test/' },
    to: { path: '^packages/', pathNot: '^packages/$1/', dependencyTypes: ['local'] },
  },
  {
    name: 're-export',
    comment: 'One import path per name: packages do not re-export each other.',
    from: { path: '^packages/([^/]+)/src/' },
    to: { path: ['^packages/', '^@sess/'], pathNot: '^packages/$1/', dependencyTypes: ['export'] },
  },
  {
    name: 'undeclared-dependency',
    comment: 'What src imports stands in dependencies or peerDependencies.',
    from: { path: '^packages/[^/]+/src/' },
    to: {
      dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'],
      dependencyTypesNot: ['npm-peer', 'npm'],
    },
  },
  {
    name: 'unresolvable',
    comment: 'What src imports exists.',
    from: { path: '^packages/[^/]+/src/' },
    to: { couldNotResolve: true },
  },
  {
    name: 'src-imports-test',
    comment: 'Published code does not lean on tests.',
    from: { path: '^packages/[^/]+/src/' },
    to: { path: ['^packages/[^/]+/test/', '^test-fixtures/', '^@sess/test-fixtures'] },
  },
  {
    name: 'circular',
    comment: 'Files that need each other at run time are one file, or cut wrongly.',
    from: { path: '^packages/[^/]+/src/' },
    to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
  },
]

/** One line for each import below `base`/packages that goes against the arrows. */
export async function violations(base: string): Promise<string[]> {
  if (!existsSync(join(base, 'packages'))) throw new Error(`There is no folder packages in ${base}`)
  const { output } = await cruise(
    ['packages'],
    {
      baseDir: base,
      ruleSet: { forbidden: rules },
      validate: true,
      // Types are arrows too.
      tsPreCompilationDeps: true,
      detectProcessBuiltinModuleCalls: true,
      doNotFollow: { path: '(^|/)node_modules/' },
      exclude: { path: '(^|/)(dist|coverage)/' },
      outputType: 'json',
    },
    {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default'],
      extensions: ['.ts', '.js', '.json'],
    },
  )
  const { summary } = JSON.parse(output as string) as ICruiseResult
  if (summary.totalDependenciesCruised === 0) throw new Error(`No import was found below ${base}/packages`)
  return summary.violations.map(({ rule, from, to }) => {
    const { comment } = rules.find(({ name }) => name === rule.name)!
    return `${from} -> ${to}: ${rule.name}. ${comment}`
  })
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const found = await violations(root)
  for (const line of found) console.log(line)
  console.log(
    found.length === 0 ? 'Every import follows the arrows' : `${found.length} imports go against the arrows`,
  )
  process.exitCode = found.length === 0 ? 0 : 1
}
