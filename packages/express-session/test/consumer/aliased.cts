import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { cacheStore } from '@sess/store-cache'

import express = require('express')
import session = require('express-session')

// An app for express-session, which runs on what was installed under that name. Prints what two parallel visits left.

declare module 'express-session' {
  interface SessionData {
    visits: string[]
  }
}

const app = express()
app.use(session({ secret: 'x', store: cacheStore(), resave: false, saveUninitialized: false }))
app.get('/:visit', async (req, res) => {
  const { visit } = req.params
  if (visit === 'first') req.session.visits = []
  await new Promise(resolve => setTimeout(resolve, 50))
  if (visit !== 'read') req.session.visits?.push(visit)
  res.json(req.session.visits)
})

async function main(): Promise<void> {
  const server = app.listen(0)
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const first = await fetch(`${url}/first`)
  const [cookie = ''] = (first.headers.get('set-cookie') ?? '').split(';')
  const visit = (name: string) => fetch(`${url}/${name}`, { headers: { cookie } })
  await Promise.all([visit('second'), visit('third')])
  const visits = (await (await visit('read')).json()) as string[]
  console.log(JSON.stringify({ cookie: cookie.split('=')[0], visits: visits.sort() }))
  server.close()
  server.closeAllConnections()
}

main()
