export type { Certificate } from './adapter-cases/certificate.ts'
export type {
  AdapterCase,
  AdapterFactory,
  AdapterFixture,
  AdapterOptions,
  AdapterSetup,
  AppWithTwoEngines,
  ProbeWays,
  StartedApp,
  StartInAWay,
  StartTwoEngines,
} from './adapter-cases/fixture.ts'
export { adapterCases } from './adapter-cases/index.ts'
export type { WatchedStore } from './adapter-cases/watched-store.ts'
export {
  type Breakable,
  type BreakOptions,
  breakable,
  type CuttableProxy,
  cuttable,
  freePort,
  type StartedServer,
  startServer,
} from './backend-helpers.ts'
export { type Case, DoesNotApply } from './case.ts'
export { CaseFailure } from './check.ts'
export { cookieStoreCases } from './cookie-cases/index.ts'
export type {
  CookieStoreCase,
  CookieStoreFactory,
  CookieStoreFixture,
  CookieStoreSetup,
} from './cookie-fixture.ts'
export { memoryStore } from './memory-store.ts'
export type { ProbeHook, ProbeStep } from './probe-hook.ts'
export {
  type ProbeAnswer,
  type ProbeOptions,
  type ProbeRoute,
  probeNotFound,
  probeRoutes,
} from './probe-routes.ts'
export { type Framework, type RegisterOptions, type Registrars, registrars } from './register.ts'
export { formatFailure, formatProgress, formatReport } from './report.ts'
export {
  type CaseResult,
  type Report,
  type RunOptions,
  runAdapterCases,
  runCookieStoreCases,
  runStoreCases,
} from './runner.ts'
export { storeCases } from './store-cases/index.ts'
export type {
  CaseClock,
  FailKind,
  FailOptions,
  StoreCase,
  StoreFactory,
  StoreFixture,
  StoreSetup,
} from './store-fixture.ts'
