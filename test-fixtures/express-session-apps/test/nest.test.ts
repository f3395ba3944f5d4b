import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Program } from '@sess/test-fixtures/program.ts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { libraries, runApp } from './libraries.ts'
import { Visitor } from './visitor.ts'

const decorators = `--import=${pathToFileURL(join(import.meta.dirname, '../decorators.mjs'))}`

describe.each(libraries)('NestJS with @nestjs/passport on $name', ({ env }) => {
  let app: Program
  beforeAll(async () => {
    app = await runApp('nest.ts', env, decorators)
  })
  afterAll(() => app?.[Symbol.asyncDispose]())

  const logIn = (visitor: Visitor, password: string) =>
    visitor.go(`${app.url}/login`, { form: { username: 'ada', password } })

  it('logs in under a new ID, lets in the guard, and logs out', async () => {
    const visitor = new Visitor()
    const before = (await visitor.go(app.url)).json()
    expect(before).toMatchObject({ views: 1 })
    expect((await visitor.go(`${app.url}/profile`)).status).toBe(403)
    expect((await logIn(visitor, 'wrong')).status).toBe(401)

    expect((await logIn(visitor, 'enigma')).json()).toEqual({ id: 1, username: 'ada' })
    expect((await visitor.go(`${app.url}/profile`)).json()).toEqual({ id: 1, username: 'ada' })
    const after = (await visitor.go(app.url)).json()
    expect(after).toMatchObject({ views: 1, user: { id: 1 } })
    expect(after.id).not.toBe(before.id)

    const old = new Visitor()
    old.cookies.set('connect.sid', visitor.cookies.get('connect.sid')!)
    expect((await visitor.go(`${app.url}/logout`, { method: 'POST' })).json().user).toBeUndefined()
    for (const each of [visitor, old]) expect((await each.go(`${app.url}/profile`)).status).toBe(403)
  })

  it('keeps what handlers change by @Session()', async () => {
    const visitor = new Visitor()
    await visitor.go(`${app.url}/cart`, { form: { item: 'tea' } })
    expect((await visitor.go(`${app.url}/cart`, { form: { item: 'honey' } })).json()).toEqual([
      'tea',
      'honey',
    ])
  })
})
