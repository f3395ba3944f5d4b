import type { RequestListener } from 'node:http'
import { createSessions, type Session } from '@sess/core'
import { type Data, type Fetched, fetchApp } from './apps.ts'
import { listOf, SECRET, type Storage, sess, sessUsage } from './usage.ts'

export async function sessOnFetch(storage: Storage): Promise<RequestListener> {
  const { runWithSession } = await import('@sess/fetch')
  const sessions = createSessions(await sess[storage]())
  return fetchApp<Fetched & { session: Session }>(
    (request, handle) =>
      runWithSession(sessions, request, (request, session) =>
        handle({ request, session, headers: undefined }),
      ),
    sessUsage(({ session }) => session),
  )
}

export async function ironSessionOnFetch(): Promise<RequestListener> {
  const { getIronSession, webCookies } = await import('iron-session')
  const open = (at: Fetched) => {
    at.headers = new Headers()
    return getIronSession(webCookies(at.request, at.headers), {
      cookieName: 'iron',
      password: SECRET,
    }) as Promise<Data & { save(): Promise<void> }>
  }
  return fetchApp((request, handle) => handle({ request, headers: undefined }), {
    async read(at) {
      return (await open(at)).n
    },
    async write(at) {
      const session = await open(at)
      session.n++
      await session.save()
    },
    async fill(at, data) {
      const session = await open(at)
      Object.assign(session, data)
      await session.save()
    },
    async append(at) {
      const session = await open(at)
      session['list'] = [...listOf(session), 1]
      await session.save()
    },
    async count(at) {
      return listOf(await open(at)).length
    },
  })
}
