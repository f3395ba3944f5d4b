import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { Device, OpenOptions, Session, Sessions } from '@sess/core'
import { fieldValue, pending, privateCache, varyBy } from '@sess/core/adapter'
import { holdResponse } from '@sess/node'
import type { ProbeWays } from '../src/adapter-cases/fixture.ts'
import type { ProbeStep } from '../src/probe-hook.ts'
import type { ProbeAnswer } from '../src/probe-routes.ts'
import { added, mapError, type Reply, replyToError, respond, urlOf } from './reference-app.ts'

export type Target = ReturnType<NonNullable<Parameters<Sessions['commit']>[1]['target']>>

/** Where the app is mounted below a path, `url` is the rest of the path, as in Express. */
export type Request = IncomingMessage & { originalUrl?: string }

export type Out = Awaited<ReturnType<Sessions['commit']>>

const NOTHING: Out = { setCookies: [], vary: false, private: false }
const NO_STEP: ProbeStep = { headers: [] }

/** The adapter for bare `node:http`, step by step, so that each step can be got wrong. */
export class ReferenceAdapter {
  readonly sessions: Sessions
  /** A second engine on the same app, further in. */
  readonly inner: Sessions | undefined
  /** How the app differs from the usual one. */
  readonly ways: ProbeWays
  readonly #requests = new WeakMap<Session, IncomingMessage>()
  readonly #responses = new WeakMap<IncomingMessage, ServerResponse>()

  constructor(sessions: Sessions, inner?: Sessions, ways: ProbeWays = {}) {
    this.sessions = sessions
    this.inner = inner
    this.ways = ways
  }

  async handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    this.#responses.set(req, res)
    let above: ProbeStep
    try {
      above = await this.step(req)
    } catch (error) {
      return await this.sendUntouched(req, res, this.failed(error))
    }
    if (above.answer) return await this.sendUntouched(req, res, replyOf(above, above.answer))
    let out = NOTHING
    try {
      const [reply, added] = await this.withSession(req, above)
      if (reply.raw) return
      out = added
      await this.send(res, this.returned(reply, above), out)
    } catch (error) {
      if (res.headersSent) throw error
      await this.send(res, this.failed(error), this.afterError(out))
    }
  }

  /** The reply to a request, and what the session adds to it. */
  async withSession(req: IncomingMessage, above: ProbeStep): Promise<[Reply, Out]> {
    const session = this.open(req)
    this.#requests.set(session, req)
    const inner = this.inner?.open(req.headers.cookie, this.client(req))
    if (inner) this.#requests.set(inner, req)
    // Where the middleware is mounted twice, the second one finds what the first has opened.
    const used = this.ways.twice ? await this.openAgain(req, session) : session
    let reply = this.withBody(await this.reply(req, used, inner))
    if (reply.raw) {
      await this.handOver(session, this.#responses.get(req)!, reply.raw)
      return [reply, NOTHING]
    }
    let innerOut = NOTHING
    let out: Out
    try {
      if (inner) innerOut = await this.commitInner(inner, reply)
      if (used !== session) innerOut = await this.commit(used, reply)
      out = await this.commit(session, reply)
      reply = this.joined(reply, above)
    } catch (error) {
      reply = this.joinedError(this.failed(mapError(error, req.url)), above, reply)
      out = await this.commit(session, reply)
    }
    return [reply, this.join(innerOut, out, reply)]
  }

  /** Hands the response of `node:http` over to the handler, which sends it when it likes. */
  async handOver(session: Session, res: ServerResponse, raw: NonNullable<ProbeAnswer['raw']>): Promise<void> {
    this.hold(res, async status => await this.commit(session, { status, headers: {}, body: '' }))
    await raw(res)
  }

  /** Lets nothing of a response leave before the commit. */
  hold(res: ServerResponse, commit: (status: number) => Promise<Out>): void {
    holdResponse(res, commit, error => {
      const { status, body } = this.failed(error)
      res.writeHead(status).end(body)
    })
  }

  /** Sends a reply to a request that never came to the session. */
  async sendUntouched(_req: IncomingMessage, res: ServerResponse, reply: Reply): Promise<void> {
    await this.send(res, reply, NOTHING)
  }

  /** A reply when middleware above has got it back. */
  returned(reply: Reply, above: ProbeStep): Reply {
    return added(reply, above.after?.())
  }

  /** What the session adds to an error that comes after its commit. */
  afterError(out: Out): Out {
    return out
  }

  /** A reply with the headers that middleware above has set. */
  joined(reply: Reply, above: ProbeStep): Reply {
    return added(reply, above.headers, true)
  }

  /** The reply to an error of the commit, in place of `_failed`. */
  joinedError(reply: Reply, above: ProbeStep, _failed: Reply): Reply {
    return this.joined(reply, above)
  }

  /** What the app's middleware does, above the session or below it. */
  async step(req: IncomingMessage, session?: Session): Promise<ProbeStep> {
    const { searchParams } = urlOf(req)
    return (await this.ways.hook?.(searchParams, session)) ?? NO_STEP
  }

  /** Makes JSON before the commit, because that may read the session. */
  withBody(reply: Reply): Reply {
    return reply.json ? { ...reply, body: JSON.stringify(reply.json), json: undefined } : reply
  }

  /** Nothing is sent after this, so what is not saved is lost. */
  async upgrade(req: IncomingMessage, socket: Duplex): Promise<void> {
    const session = this.open(req)
    await this.load(session)
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    const { searchParams } = urlOf(req)
    session.set(searchParams.get('k')!, searchParams.get('v'))
    socket.end(this.unsaved(session))
  }

  unsaved(session: Session): string {
    return pending(session) ? 'SESSION_COMMITTED' : ''
  }

  async commitInner(inner: Session, { status }: Reply): Promise<Out> {
    return await this.inner!.commit(inner, { status, secure: this.isSecure(inner) })
  }

  /** What both engines say of the response. */
  join(inner: Out, outer: Out, _reply: Reply): Out {
    return {
      setCookies: [...inner.setCookies, ...outer.setCookies],
      vary: inner.vary || outer.vary,
      private: inner.private || outer.private,
      headers: { ...inner.headers, ...outer.headers },
      varyBy: outer.varyBy,
    }
  }

  open(req: IncomingMessage): Session {
    return this.sessions.open(req.headers.cookie, this.client(req))
  }

  async openAgain(_req: IncomingMessage, session: Session): Promise<Session> {
    return session
  }

  client(req: IncomingMessage): OpenOptions {
    return {
      request: req,
      header: name => req.headers[name],
      target: () => this.targetOf(req),
      device: () => this.device(req),
    }
  }

  async reply(req: IncomingMessage, session: Session, inner?: Session): Promise<Reply> {
    try {
      await this.load(session)
      await inner?.load()
      const below = await this.step(req, session)
      if (below.answer) return replyOf(below, below.answer)
      const reply = await this.handler(req, session, inner)
      return added(added(reply, below.headers, true), below.after?.())
    } catch (error) {
      return this.failed(error)
    }
  }

  async handler(req: IncomingMessage, session: Session, inner?: Session): Promise<Reply> {
    return await respond(this.sessions, session, inner, req.method!, urlOf(req))
  }

  async load(session: Session): Promise<void> {
    if (!this.sessions.lazy) await session.load()
  }

  async commit(session: Session, { status }: Reply): Promise<Out> {
    return await this.sessions.commit(session, {
      status,
      secure: this.isSecure(session),
      target: () => this.target(session),
    })
  }

  isSecure(session: Session): boolean {
    return this.isTls(this.requestOf(session)!)
  }

  /** What a framework says of the connection. */
  isTls({ socket, headers }: IncomingMessage): boolean {
    const forwarded = this.ways.trustProxy && firstOf(headers['x-forwarded-proto'])
    return forwarded ? forwarded === 'https' : (socket as Partial<TLSSocket>).encrypted === true
  }

  requestOf(session: Session): IncomingMessage | undefined {
    return this.#requests.get(session)
  }

  target(session: Session): Target {
    return this.targetOf(this.requestOf(session)!)
  }

  targetOf({ headers, url, originalUrl }: Request): Target {
    const forwarded = this.ways.trustProxy && firstOf(headers['x-forwarded-host'])
    return {
      host: forwarded || headers.host,
      path: originalUrl ?? url,
      forwardedProto: headers['x-forwarded-proto'],
    }
  }

  device({ headers, socket }: IncomingMessage): Device {
    const forwarded = this.ways.trustProxy && firstOf(headers['x-forwarded-for'])
    return { userAgent: headers['user-agent'], ip: forwarded || socket.remoteAddress }
  }

  failed(error: unknown): Reply {
    return replyToError(error)
  }

  async send(res: ServerResponse, reply: Reply, out: Out): Promise<void> {
    res.writeHead(reply.status, this.headers(reply, out))
    await this.write(res, reply)
  }

  headers(
    { headers }: Reply,
    { setCookies, vary, private: isPrivate, headers: others = {}, varyBy: names }: Out,
  ): Reply['headers'] {
    const merged = { ...headers }
    for (const [name, value] of Object.entries(others)) {
      merged[name] = fieldValue(name, headers[name]?.toString(), value)
    }
    merged['set-cookie'] = [...[headers['set-cookie'] ?? []].flat(), ...setCookies]
    if (vary) merged['vary'] = varyBy(headers['vary']?.toString(), names)
    if (isPrivate) merged['cache-control'] = privateCache(merged['cache-control']?.toString())
    return merged
  }

  /** Node itself drops the body of a response to HEAD, and that of a 204 or a 304. */
  async write(res: ServerResponse, { body }: Reply): Promise<void> {
    if (typeof body === 'string') res.end(body)
    else {
      for await (const chunk of body) res.write(chunk)
      res.end()
    }
  }
}

/** The entry of the proxy that is nearest to the visitor, in a header that each proxy appends to. */
const firstOf = (header: string | string[] | undefined): string | undefined =>
  header?.toString().split(',')[0]

/** A reply of middleware. */
const replyOf = ({ headers }: ProbeStep, { status, body }: NonNullable<ProbeStep['answer']>): Reply =>
  added({ status, headers: {}, body }, headers)
