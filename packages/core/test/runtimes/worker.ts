import { runCases } from './cases.ts'

/** For workerd: the cases run when somebody asks. */
export default {
  async fetch(): Promise<Response> {
    return Response.json(await runCases())
  },
}
