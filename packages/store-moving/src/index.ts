export { Mover, type MoverOptions, type Seen, type Tally } from './mover.ts'
export { movingStore } from './moving-store.ts'
export { isReceipt, type Receipt } from './receipt.ts'
export { finish, StoreLostSessions, type Walked, type WalkOptions, walk } from './walk.ts'
