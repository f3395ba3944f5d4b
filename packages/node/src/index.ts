export { diagnostics } from './diagnostics.ts'
export {
  type Commit,
  errorStatus,
  holdResponse,
  type NodeResponse,
  type OnRefused,
  type ResponseGate,
} from './gate.ts'
