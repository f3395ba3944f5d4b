export { applyTo, fieldValue, privateCache, varyBy, varyByCookie } from './headers.ts'
export { type Merged, merge } from './merge.ts'
export { loadedRecord, pending, saveSession } from './session.ts'
export {
  type BegunSession,
  type Connection,
  type MiddlewareOptions,
  SessionSlot,
  type WithSessions,
} from './slot.ts'
export { after, settle } from './task.ts'
