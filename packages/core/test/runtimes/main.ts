import { runCases } from './cases.ts'

console.log(JSON.stringify(await runCases()))
