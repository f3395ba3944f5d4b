export { applyTo, privateCache, varyByCookie } from './headers.ts'
export { pending } from './pending.ts'
export { SessionSlot } from './slot.ts'
export { after, settle } from './task.ts'
