export { answerError, errorStatus } from './answer-error.ts'
export { diagnostics } from './diagnostics.ts'
export {
  type Commit,
  holdResponse,
  type NodeResponse,
  type OnRefused,
  type ResponseGate,
} from './gate.ts'
export { canHold, type StandInSession, watchStandIn } from './stand-in.ts'
