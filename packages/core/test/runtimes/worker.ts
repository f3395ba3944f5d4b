import { runCases } from './cases.ts'

/** For workerd: the cases run when somebody asks. */
export default {
  async fetch({ method }: Request): Promise<Response> {
    return method === 'GET' ? Response.json(await runCases()) : new Response()
  },
}
