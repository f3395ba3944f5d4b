// The peers' own types cannot be had beside ours: two libraries that declare `req.session` differ about it.
declare module 'express-session' {
  const session: any
  export default session
}
declare module 'connect-redis' {
  export const RedisStore: any
}
declare module 'cookie-session' {
  const session: any
  export default session
}
declare module 'koa-session' {
  const session: any
  export default session
}
declare module 'iron-session' {
  export const getIronSession: any
  export const webCookies: any
}
declare module '@hono/session' {
  export const useSession: any
  export const useSessionStorage: any
}
declare module 'hono-sessions' {
  export const CookieStore: any
  export const MemoryStore: any
  export const sessionMiddleware: any
}
