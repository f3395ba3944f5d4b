import type { Scenarios } from '../scenario.ts'

/** `req.session`: an object. */
export const properties: Scenarios = {
  'has its keys and the cookie as own enumerable properties': async w => {
    const { get } = await w.serve({}, (req, res) => {
      req.session.a = 1
      req.session['b c'] = { d: [1] }
      const names: string[] = []
      for (const name in req.session) names.push(name)
      w.note(Object.keys(req.session), names, Object.getOwnPropertyDescriptor(req.session, 'id'))
      w.note('a' in req.session, 'x' in req.session, 'save' in req.session, 'cookie' in req.session)
      w.note(Object.keys({ ...req.session }), JSON.parse(JSON.stringify(req.session)))
      w.note(req.session instanceof w.lib.Session, req.session.cookie instanceof w.lib.Cookie)
      delete req.session.a
      w.note(Object.keys(req.session), 'a' in req.session)
      res.end()
    })
    await get()
    await get()
  },
  'has methods that are not enumerable': async w => {
    const { get } = await w.serve({}, (req, res) => {
      for (const name of ['save', 'reload', 'destroy', 'regenerate', 'touch', 'resetMaxAge']) {
        w.note(name, typeof req.session[name], Object.prototype.propertyIsEnumerable.call(req.session, name))
      }
      res.end()
    })
    await get()
  },
  'has an id and a req that cannot be replaced': async w => {
    const { get } = await w.serve({}, (req, res) => {
      const { id } = req.session
      for (const name of ['id', 'req']) {
        try {
          ;('use strict')
          req.session[name] = 'mine'
          w.note('replaced')
        } catch (error) {
          w.note((error as Error).name)
        }
      }
      w.note(req.session.id === id, req.session.req === req)
      res.end()
    })
    await get()
  },
  'keeps every kind of JSON, and drops what JSON drops': async w => {
    const store = w.store({ quiet: true })
    const { get } = await w.serve({ store }, (req, res) => {
      if (req.url === '/set') {
        Object.assign(req.session, {
          text: 'ü "',
          zero: 0,
          no: false,
          nothing: null,
          list: [1, null, { a: 1 }],
          date: new Date(0),
          gone: undefined,
          fn: () => 1,
          nan: Number.NaN,
          map: new Map([[1, 2]]),
          own: { toJSON: () => 'own' },
        })
      }
      res.end(JSON.stringify(req.session))
    })
    await get('/set')
    await get('/')
    w.noteStored(store)
  },
  'notices a nested change': async w => {
    const store = w.store()
    const { get } = await w.serve({ store }, (req, res) => {
      if (req.url === '/set') req.session.cart = { items: [] }
      else req.session.cart.items.push('tea')
      res.end()
    })
    await get('/set')
    await get('/push')
    w.noteStored(store)
  },
  'notices that a key was deleted': async w => {
    const store = w.store()
    const { get } = await w.serve({ store }, (req, res) => {
      if (req.url === '/set') req.session.user = 'ada'
      else delete req.session.user
      res.end(String('user' in req.session))
    })
    await get('/set')
    await get('/logout')
    await get('/again')
    w.noteStored(store)
  },
  'takes a value that was set to what it was for no change': async w => {
    const store = w.store()
    const { get } = await w.serve({ store }, (req, res) => {
      req.session.user = { name: 'ada' }
      res.end()
    })
    await get()
    await get()
  },
  'notices a key called cookie inside of a value': async w => {
    const store = w.store()
    const { get } = await w.serve({ store }, (req, res) => {
      if (req.url === '/set') req.session.user = { cookie: 1 }
      else req.session.user.cookie = 2
      res.end()
    })
    await get('/set')
    await get('/change')
    w.noteStored(store)
  },
  'takes unset for req.session = null, undefined and delete': async w => {
    for (const unset of [undefined, 'keep', 'destroy']) {
      for (const how of ['null', 'undefined', 'delete']) {
        const store = w.store()
        const { get } = await w.serve({ store, unset }, (req, res) => {
          if (req.url === '/set') req.session.a = 1
          else if (how === 'null') req.session = null
          else if (how === 'undefined') req.session = undefined
          else delete req.session
          res.end(String(req.session))
        })
        await get('/set')
        await get('/unset')
        w.noteStored(store)
      }
    }
  },
  'destroys a new session that was unset': async w => {
    const store = w.store()
    const { get } = await w.serve({ store, unset: 'destroy', saveUninitialized: true }, (req, res) => {
      req.session = null
      res.end('gone')
    })
    await get()
    w.noteStored(store)
  },
  'is unset before it was used': async w => {
    for (const unset of ['keep', 'destroy']) {
      for (const path of ['/null', '/delete', '/replace', '/in', '/id']) {
        const store = w.store({ quiet: true })
        const { get } = await w.serve({ store, unset }, (req, res) => {
          if (req.url === '/null') req.session = null
          if (req.url === '/delete') delete req.session
          if (req.url === '/in')
            w.note('session' in req, Object.hasOwn(req, 'session'), Object.keys(req).includes('session'))
          if (req.url === '/replace') req.sessionStore.createSession(req, { cookie: {}, mine: 1 })
          const id = req.url === '/id' && req.sessionID
          w.note(String(req.session && typeof req.session), typeof req.sessionID, id && id === req.session.id)
          res.end()
        })
        await get(path)
        w.noteStored(store)
      }
    }
  },
  'has a constructor that merges data': w => {
    const req: any = { sessionID: 'abc' }
    const session = new w.lib.Session(req, { a: 1, save: 2, id: 3 })
    w.note(Object.keys(session), session.id, session.req === req, typeof session.save)
    w.note(
      Object.keys(new w.lib.Session(req)),
      Object.keys(new w.lib.Session(req, null)),
      Object.keys(new w.lib.Session(req, 5)),
    )
  },
}

/** The methods of `req.session`. */
export const methods: Scenarios = {
  'regenerates with another ID, and destroys the old one': async w => {
    const store = w.store()
    const { get } = await w.serve({ store }, (req, res) => {
      if (req.url === '/set') {
        req.session.user = 'ada'
        return res.end()
      }
      const before = req.session
      const returned = before.regenerate((error: any) => {
        w.note(
          'regenerated',
          error ?? null,
          req.session !== before,
          req.session.id !== before.id,
          before.user,
          req.session.user ?? null,
        )
        w.note(req.sessionID === req.session.id)
        if (req.url === '/login') req.session.user = 'bob'
        res.end('done')
      })
      w.note(returned === before)
    })
    await get('/set')
    await get('/login')
    await get('/regenerate')
    w.noteStored(store)
  },
  'regenerates a new session': async w => {
    const store = w.store()
    for (const saveUninitialized of [false, true]) {
      const { get } = await w.serve({ store, saveUninitialized }, (req, res) =>
        req.session.regenerate(() => res.end('ok')),
      )
      await get('/', { cookie: '' })
    }
  },
  'passes the error of the store to regenerate': async w => {
    const store = w.store()
    store.destroy = (_id: string, callback: any) => callback(new Error('boom!'))
    const { get } = await w.serve({ store }, (req, res) =>
      req.session.regenerate((error: any) => res.end(`${error.message} ${typeof req.session}`)),
    )
    await get()
  },
  destroys: async w => {
    const store = w.store()
    const { get } = await w.serve({ store }, (req, res) => {
      if (req.url === '/set') {
        req.session.user = 'ada'
        return res.end()
      }
      const { session } = req
      const returned = session.destroy((error: any) => {
        w.note('destroyed', error ?? null)
        res.end(`${String(req.session)} ${session.user} ${'session' in req}`)
      })
      w.note(returned === session, String(req.session))
    })
    await get('/set')
    await get('/destroy')
    await get('/destroy')
    w.noteStored(store)
  },
  'destroys without a callback': async w => {
    const store = w.store()
    const { get } = await w.serve({ store }, (req, res) => {
      if (req.url === '/set') req.session.user = 'ada'
      else req.session.destroy()
      res.end(String(req.session))
    })
    await get('/set')
    await get('/destroy')
    w.noteStored(store)
  },
  'passes the error of the store to destroy': async w => {
    const store = w.store()
    store.destroy = (_id: string, callback: any) => callback(new Error('boom!'))
    const { get } = await w.serve({ store }, (req, res) =>
      req.session.destroy((error: any) => res.end(error.message)),
    )
    await get()
  },
  'reloads what another request has saved, into a new object': async w => {
    const store = w.store({ quiet: true })
    const { get } = await w.serve({ store }, async (req, res) => {
      req.session.url = req.url
      if (req.url !== '/outer') return res.end(`saw ${req.session.url}`)
      const before = req.session
      before.mine = true
      await get('/inner', { cookie: req.headers.cookie })
      before.reload((error: any) => {
        w.note(error ?? null, req.session !== before, before.mine, req.session.mine ?? null)
        w.note(req.session.id === before.id, req.session.cookie instanceof w.lib.Cookie)
        res.end(`saw ${req.session.url}`)
      })
    })
    await get('/first')
    await get('/outer')
    w.noteStored(store)
  },
  'cannot reload a session that is gone': async w => {
    const store = w.store({ quiet: true })
    const { get } = await w.serve({ store }, (req, res) => {
      if (req.url === '/set') {
        req.session.user = 'ada'
        return res.end()
      }
      store.clear(() =>
        req.session.reload((error: any) => {
          res.statusCode = 500
          res.end(`${error.message} ${req.session.user}`)
        }),
      )
    })
    await get('/set')
    await get('/reload')
    w.noteStored(store)
  },
  'passes the error of the store to reload': async w => {
    const store = w.store()
    const { get } = await w.serve({ store }, (req, res) => {
      store.get = (_id: string, callback: any) => callback(new Error('boom!'))
      req.session.reload((error: any) => res.end(error.message))
    })
    await get()
  },
  'saves, and does not save again at the end': async w => {
    const store = w.store()
    for (const options of [
      {},
      { saveUninitialized: true },
      { resave: true },
      { resave: true, saveUninitialized: true },
    ]) {
      const { get } = await w.serve({ store, ...options }, (req, res) => {
        req.session.hits = (req.session.hits ?? 0) + 1
        req.session.save((error: any) => {
          w.note('saved', error ?? null, Boolean(store.sessions[req.session.id]))
          res.end('ok')
        })
      })
      await get('/', { cookie: '' })
      await get()
      await get()
    }
  },
  'saves again what was changed after save': async w => {
    const store = w.store()
    const { get } = await w.serve({ store }, (req, res) => {
      req.session.a = 1
      req.session.save(() => {
        req.session.b = 2
        res.end('ok')
      })
    })
    await get()
    w.noteStored(store)
  },
  'saves a session that has not changed, if it is asked to': async w => {
    const store = w.store()
    const { get } = await w.serve({ store }, (req, res) => req.session.save(() => res.end('ok')))
    await get()
    w.noteStored(store)
  },
  'saves without a callback': async w => {
    const store = w.store({ quiet: true })
    const { get } = await w.serve({ store }, (req, res) => {
      req.session.a = 1
      req.session.save()
      res.end('ok')
    })
    await get()
    w.noteStored(store)
  },
  'saves what was reloaded no second time': async w => {
    const store = w.store()
    const { get } = await w.serve({ store }, (req, res) => {
      if (req.url === '/set') {
        req.session.a = 1
        return res.end()
      }
      req.session.reload(() => req.session.save(() => res.end('ok')))
    })
    await get('/set')
    await get('/reload')
    w.noteStored(store)
  },
  'touches and resets the age': async w => {
    const { get } = await w.serve({ cookie: { maxAge: 60_000 } }, (req, res) => {
      const { cookie } = req.session
      cookie._expires = new Date(Date.now() + 1000)
      w.note(req.session.touch() === req.session, cookie.expires)
      cookie._expires = new Date(Date.now() + 1000)
      w.note(req.session.resetMaxAge() === req.session, cookie.expires, cookie.originalMaxAge)
      res.end()
    })
    await get()
  },
  'keeps a session whose method was given another this': async w => {
    const { get } = await w.serve({}, (req, res) => {
      req.session.a = 1
      const { save } = req.session
      save.call(req.session, () => res.end('ok'))
    })
    await get()
    await get()
  },
}
