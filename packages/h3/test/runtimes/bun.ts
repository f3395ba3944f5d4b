import { app } from './app.ts'

declare const Bun: {
  serve(options: { hostname: string; port: number; fetch(request: Request): unknown }): { port: number }
}

const { port } = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: request => app.fetch(request) })
console.log(`listening on http://127.0.0.1:${port}`)
