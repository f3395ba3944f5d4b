import { once } from 'node:events'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { sqliteStore } from '@sess/store-sql'

/** Serves what `makeApp(url, server)` returns on a free port, and prints where. Without a result it serves itself. */
export async function serve(makeApp) {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // A name, because Chromium treats pages of `localhost` like pages with TLS.
  const url = `http://localhost:${server.address().port}`
  const app = await makeApp(url, server)
  if (app) server.on('request', app)
  console.log(`listening on ${url}`)
  console.log(`express-session is ${createRequire(import.meta.url).resolve('express-session')}`)
}

/** The options that every app has. The test says whether the sessions are in a store of Sess, or in `MemoryStore`. */
export function common() {
  const store = process.env.SESSION_STORE === 'sess' ? sqliteStore(':memory:') : undefined
  return { secret: 'keyboard cat', resave: false, saveUninitialized: false, store }
}
