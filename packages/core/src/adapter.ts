export { privateCache, varyByCookie } from './headers.ts'
export { SessionSlot } from './slot.ts'
