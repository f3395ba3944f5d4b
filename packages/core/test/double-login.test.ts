import { describe, expect, it } from 'vitest'
import type { Session } from '../src/index.ts'
import { bench, codeOf, keep } from './support.ts'

const login = (user: string) => (session: Session) => {
  session.cycleKey()
  session.set('user', user)
  session.subject = user
}

async function opened(app: ReturnType<typeof bench>): Promise<Session> {
  const session = app.sessions.open(app.cookie)
  await session.load()
  return session
}

describe('two logins with one cookie (decision 0033)', () => {
  it('the first is carried out with the cart, the second fails and leaves the cookie alone', async () => {
    const app = bench()
    await app.request(s => s.set('cart', ['tea']))
    const [first, second] = [await opened(app), await opened(app)]
    login('ada')(first)
    login('ada')(second)
    const { setCookies } = await app.sessions.commit(first, { status: 200 })
    expect(await codeOf(() => app.sessions.commit(second, { status: 200 }))).toBe('SESSION_INTERRUPTED')
    expect(await app.sessions.commit(second, { status: 400 })).toMatchObject({ setCookies: [] })
    const cookie = keep(app.cookie, setCookies)
    expect([await app.peek('user', cookie), await app.peek('cart', cookie)]).toEqual(['ada', ['tea']])
  })

  it.each<[string, (session: Session) => void]>([
    ['logs in as somebody else', login('eve')],
    ['rotates for another reason', session => session.cycleKey()],
    ['rotates and sets the same', login('ada')],
  ])(
    'somebody who has planted the key and %s in a slow request gets no session of the victim [A2, C4]',
    async (_, act) => {
      for (const opensLate of [false, true]) {
        const app = bench()
        await app.request(s => s.set('cart', ['tea']))
        const early = await opened(app)
        const planted = app.cookie
        await app.request(s => {
          login('ada')(s)
          s.set('secret', 'of ada')
        })
        const attacker = opensLate ? app.sessions.open(planted) : early
        await attacker.load()
        act(attacker)
        let cookie = planted
        try {
          cookie = keep(planted, (await app.sessions.commit(attacker, { status: 200 })).setCookies)
        } catch (error) {
          expect(error).toMatchObject({ code: 'SESSION_INTERRUPTED' })
        }
        expect(await app.peek('secret', cookie)).toBeUndefined()
        expect(await app.peek('cart', cookie)).toBeUndefined()
        expect(await app.peek('secret')).toBe('of ada')
      }
    },
  )
})
