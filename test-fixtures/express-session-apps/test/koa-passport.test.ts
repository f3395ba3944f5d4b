import type { Program } from '@sess/test-fixtures/program.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { libraries, runApp } from './libraries.ts'
import { Visitor } from './visitor.ts'

describe.each(libraries)('koa-passport on $name', ({ env }) => {
  let app: Program
  beforeAll(async () => {
    app = await runApp('koa-passport.mjs', env)
  })
  afterAll(() => app?.[Symbol.asyncDispose]())

  it('logs in under a new ID, keeps the data if asked, and logs out', async () => {
    const visitor = new Visitor()
    const url = `${app.url}/passport`
    const before = (await visitor.go(`${url}/cart?item=tea`)).json()
    expect(before).toMatchObject({ cart: ['tea'], isAuthenticated: false })
    expect((await visitor.go(`${url}/login?username=ada&password=wrong`)).status).toBe(401)
    const after = (await visitor.go(`${url}/login?username=ada&password=enigma&keep`)).json()
    expect(after).toMatchObject({ user: { username: 'ada' }, cart: ['tea'] })
    expect(after.id).not.toBe(before.id)
    expect((await visitor.go(`${url}/`)).json()).toMatchObject({ user: { username: 'ada' }, id: after.id })

    const again = (await visitor.go(`${url}/login?username=ada&password=enigma`)).json()
    expect(again.cart).toBeUndefined()
    const old = new Visitor()
    old.cookies.set('connect.sid', visitor.cookies.get('connect.sid')!)
    expect((await visitor.go(`${url}/logout`)).json().isAuthenticated).toBe(false)
    for (const each of [visitor, old]) expect((await each.go(`${url}/`)).json().isAuthenticated).toBe(false)
  })
})

describe('koa-passport on @sess/koa', () => {
  it('logs in with `session: false`, under a new key, and keeps the data', async () => {
    await using app = await runApp('koa-passport.mjs', libraries[1].env)
    const url = `${app.url}/sess`
    const visitor = new Visitor()
    await visitor.go(`${url}/cart?item=tea`)
    const key = visitor.cookies.get('sessionid')!
    expect((await visitor.go(`${url}/login?username=ada&password=wrong`)).status).toBe(401)
    const expected = { user: { username: 'ada' }, cart: ['tea'] }
    expect((await visitor.go(`${url}/login?username=ada&password=enigma`)).json()).toEqual(expected)
    expect(visitor.cookies.get('sessionid')).not.toBe(key)
    expect((await visitor.go(`${url}/`)).json()).toEqual(expected)
    const planted = new Visitor()
    planted.cookies.set('sessionid', key)
    expect((await planted.go(`${url}/`)).json().user).toBeUndefined()
    await visitor.go(`${url}/logout`)
    expect((await visitor.go(`${url}/`)).json()).toEqual({})
  })
})
