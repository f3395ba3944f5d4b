import { memoryStore } from '@sess/conformance'
import { describe, expect, expectTypeOf, it } from 'vitest'
import {
  type Carrier,
  type CookieByRequest,
  createSessions,
  type Session,
  type SessionsOptions,
  type StandardSchema,
} from '../src/index.ts'

interface Shop {
  userId: number
  cart?: { id: string; n: number }[]
}

const store = memoryStore()

describe('the types of a session', () => {
  it('untyped: any JSON', () => {
    const session = createSessions({ store }).open()
    expectTypeOf(session.get('x')).toBeAny()
    session.update('cart', (items = []) => [...items, 1])
    session.data['x'] = { y: 1 }
  })

  it('createSessions<Data>()', () => {
    const sessions = createSessions<Shop>({ store })
    const session = sessions.open()
    expectTypeOf(session).toEqualTypeOf<Session<Shop>>()
    expectTypeOf(session.get('userId')).toEqualTypeOf<number | undefined>()
    expectTypeOf(session.get('userId', null)).toEqualTypeOf<number | null>()
    expectTypeOf(session.get('cart', [])).toEqualTypeOf<{ id: string; n: number }[] | never[]>()
    expectTypeOf(session.pop('cart')).toEqualTypeOf<{ id: string; n: number }[] | undefined>()
    expectTypeOf(session.data).toEqualTypeOf<Shop>()
    expectTypeOf(session.toJSON()).toEqualTypeOf<Shop>()
    expectTypeOf(session.keys()).toEqualTypeOf<IterableIterator<'userId' | 'cart'>>()
    expectTypeOf(session.set).parameter(0).toEqualTypeOf<'userId' | 'cart'>()
    session.update('cart', (cart = []) => [...cart, { id: 'a', n: 1 }])
    session.update({ userId: 1 })
    // @ts-expect-error: no such key
    session.set('user', 1)
    // @ts-expect-error: not a number
    session.set('userId', '1')
    // @ts-expect-error: undefined is not stored
    session.set('cart', undefined)
    // @ts-expect-error: not what the key holds
    session.update('userId', () => 'x')
    expectTypeOf(sessions.scanBySubject('x').next()).resolves.toMatchTypeOf<
      IteratorResult<{ data: Shop }, void>
    >()
  })

  it('a Standard Schema gives the type', () => {
    const schema = {} as StandardSchema<unknown, Shop>
    const make = () => createSessions({ store, schema })
    expectTypeOf(make).returns.toHaveProperty('open')
    expectTypeOf<ReturnType<ReturnType<typeof make>['open']>>().toEqualTypeOf<Session<Shop>>()
  })

  it('an option may be undefined, as what comes from an environment variable is', () => {
    const options: SessionsOptions = {
      ...Object.fromEntries(['secret', 'age', 'schema', 'clock'].map(name => [name, undefined])),
      store,
      secret: undefined as string | undefined,
      cookie: { domain: undefined, secure: undefined as boolean | undefined },
    }
    expectTypeOf(options.age).toEqualTypeOf<number | undefined>()
    expect(createSessions(options).cookieName).toBe('sessionid')
  })

  it('carriers, cookies by request and what a logout clears', () => {
    expectTypeOf<{ header: 'authorization' }>().toExtend<Carrier>()
    expectTypeOf<{ header: 'x-session'; cookie: true }>().toExtend<Carrier>()
    expectTypeOf<{ header: 'cookie' }>().not.toExtend<Carrier>()
    const byFunction: SessionsOptions = {
      store,
      cookie: (req: { tenant: string }) => ({ isolate: req.tenant }),
    }
    expect(createSessions(byFunction).cookieName).toBe('sessionid')
    expectTypeOf(() => ({ name: 'other' })).not.toExtend<CookieByRequest>()
    const session = createSessions({ store }).open()
    expectTypeOf(session.carrier).toEqualTypeOf<'cookie' | 'header'>()
    expectTypeOf(session.flush).toBeCallableWith({ clearSiteData: ['storage', 'cache'] })
    // @ts-expect-error: no such type
    expect(() => session.flush({ clearSiteData: ['store'] })).toThrow(TypeError)
  })

  it('the rest', () => {
    const session = createSessions({ store }).open()
    expectTypeOf(session.sessionKey).toExtend<string | null>()
    expectTypeOf(session.subject).toEqualTypeOf<string | null>()
    expectTypeOf(session.createdAt).toEqualTypeOf<Date | undefined>()
    expectTypeOf(session.flash<string>('notice')).toEqualTypeOf<string[]>()
    expectTypeOf(session.setExpiry).toBeCallableWith({ days: 30 })
    expectTypeOf(session.setExpiry).toBeCallableWith(new Date())
    expectTypeOf(session.setExpiry).toBeCallableWith(null)
  })
})
