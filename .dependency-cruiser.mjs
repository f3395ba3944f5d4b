// The arrows: which imports the design allows (docs/design.md). `pnpm arrows` checks them.
const PORTABLE = 'core|fetch|hono|h3|inspector|store-cookie|store-cache'
const ON_NODE = 'express|express-session|fastify|koa|h3-v1'
const ON_FETCH = 'hono'
const ADAPTERS = `node|fetch|h3|${ON_NODE}|${ON_FETCH}`
const TEST_HELP = '^packages/(core|conformance|store-[^/]+)/'
const SOURCE = '^packages/([^/]+)/src/'

export default {
  forbidden: [
    {
      name: 'portable-code-imports-node',
      comment: `${PORTABLE.replaceAll('|', ', ')} run on every runtime. Node is imported behind #crypto alone.`,
      from: {
        path: `^packages/(${PORTABLE})/src/`,
        pathNot: '^packages/(core/src/crypto-node|inspector/src/node)\\.ts$',
      },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'store-imports-framework',
      comment: 'A store never sees a framework, an adapter or the response gate.',
      from: { path: '^packages/store-[^/]+/' },
      to: {
        path: [
          `^packages/(${ADAPTERS})/`,
          'node_modules/(@types/)?(express|koa|h3|hono|fastify|connect)(/|$)',
          `^(express|koa|h3|hono|fastify|connect|@sess/(${ADAPTERS}))$`,
        ],
      },
    },
    {
      name: 'sideways',
      comment: 'A package imports core alone. Adapters may import node or fetch as well, and cli the stores.',
      from: { path: SOURCE, pathNot: `^packages/(${ON_NODE}|${ON_FETCH}|cli)/` },
      to: { path: ['^packages/', '^@sess/'], pathNot: ['^packages/$1/', '^packages/core/', '^@sess/core'] },
    },
    {
      name: 'sideways-adapter',
      comment: 'An adapter for Node imports core and node alone.',
      from: { path: `^packages/(${ON_NODE})/src/` },
      to: {
        path: ['^packages/', '^@sess/'],
        pathNot: ['^packages/$1/', '^packages/(core|node)/', '^@sess/(core|node)'],
      },
    },
    {
      name: 'sideways-cli',
      comment: 'cli imports core, the inspector and the stores alone.',
      from: { path: '^packages/cli/src/' },
      to: {
        path: ['^packages/', '^@sess/'],
        pathNot: [
          '^packages/cli/',
          '^packages/(core|inspector|store-[^/]+)/',
          '^@sess/(core|inspector|store-[^/]+)',
        ],
      },
    },
    {
      name: 'sideways-fetch-adapter',
      comment: 'An adapter for web standards imports core and fetch alone.',
      from: { path: `^packages/(${ON_FETCH})/src/` },
      to: {
        path: ['^packages/', '^@sess/'],
        pathNot: ['^packages/$1/', '^packages/(core|fetch)/', '^@sess/(core|fetch)'],
      },
    },
    {
      name: 'sideways-test',
      comment:
        'Tests may also use conformance, the stores and the fixtures; those of adapters also node and fetch.',
      // The inspector and adopting engines are mounted in frameworks, and so are their tests.
      from: { path: '^packages/([^/]+)/test/', pathNot: '^packages/(inspector|adopt)/test/' },
      to: { path: '^packages/', pathNot: ['^packages/$1/', '^packages/(node|fetch)/', TEST_HELP] },
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
      from: { path: SOURCE },
      to: { path: ['^packages/', '^@sess/'], pathNot: '^packages/$1/', dependencyTypes: ['export'] },
    },
    {
      name: 'undeclared-dependency',
      comment: 'What src imports stands in dependencies or peerDependencies.',
      from: { path: SOURCE },
      to: {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'],
        dependencyTypesNot: ['npm-peer', 'npm'],
      },
    },
    {
      name: 'unresolvable',
      comment: 'What src imports exists.',
      from: { path: SOURCE },
      to: { couldNotResolve: true },
    },
    {
      name: 'src-imports-test',
      comment: 'Published code does not import tests.',
      from: { path: SOURCE },
      to: { path: ['^packages/[^/]+/test/', '^test-fixtures/', '^@sess/test-fixtures'] },
    },
    {
      name: 'circular',
      comment: 'Files that need each other at run time are one file, or are cut in the wrong place.',
      from: { path: SOURCE },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
  ],
  options: {
    // Types are arrows too.
    tsPreCompilationDeps: true,
    detectProcessBuiltinModuleCalls: true,
    doNotFollow: { path: '(^|/)node_modules/' },
    exclude: { path: '(^|/)(dist|coverage)/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default'],
      extensions: ['.ts', '.js', '.json'],
    },
  },
}
