export {
  type ExpressSessionData,
  type ExpressStore,
  type ExpressStoreOptions,
  toExpressStore,
} from './express-store.ts'
