// A hook of `pnpm pack` (see scripts/pack.ts). It adds the fields that only a release knows: npm rejects a package with
// provenance (E422) if its `repository` is not the one that the workflow runs in.
const { basename } = require('node:path')

exports.hooks = {
  beforePacking(manifest, folder) {
    const url = process.env.SESS_REPOSITORY_URL
    if (!url) throw new Error('SESS_REPOSITORY_URL is not set: pack with scripts/pack.ts')
    const directory = `packages/${basename(folder)}`
    return {
      ...manifest,
      repository: { type: 'git', url: `git+${url}.git`, directory },
      homepage: `${url}/tree/main/${directory}#readme`,
      bugs: { url: `${url}/issues` },
    }
  },
}
