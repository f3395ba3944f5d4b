// A tripwire, not a goal: nothing is made harder to read for bytes (docs/decisions/0002-what-core-weighs.md).
const onNode = config => ({ ...config, platform: 'node' })

export default [
  { name: 'core, any platform', path: 'packages/core/src/index.ts', limit: '28 kB', gzip: true },
  {
    name: 'core + node + express',
    path: 'packages/express/src/index.ts',
    limit: '32.5 kB',
    gzip: true,
    ignore: ['express'],
    modifyEsbuildConfig: onNode,
  },
]
