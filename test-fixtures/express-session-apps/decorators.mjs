// `node --import ./decorators.mjs apps/nest.ts`: Node leaves out types, but does not know decorators.
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'

registerHooks({
  load(url, context, next) {
    if (!url.endsWith('/apps/nest.ts')) return next(url, context)
    const { outputFiles } = buildSync({
      entryPoints: [fileURLToPath(url)],
      format: 'esm',
      tsconfigRaw: { compilerOptions: { experimentalDecorators: true } },
      write: false,
    })
    return { format: 'module', shortCircuit: true, source: outputFiles[0].text }
  },
})
