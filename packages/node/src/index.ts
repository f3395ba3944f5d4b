export { diagnostics } from './diagnostics.ts'
export {
  type Commit,
  holdResponse,
  type NodeResponse,
  type OnFailure,
  type ResponseGate,
} from './gate.ts'
export { errorStatus, sendError } from './send-error.ts'
export { canHold, type StandInSession, watchStandIn, watchWebSocket } from './stand-in.ts'
