export { diagnostics } from './diagnostics.ts'
export { type Commit, holdResponse, type NodeResponse, type OnRefused, type ResponseGate } from './gate.ts'
