import { COOKIE_SALT, loadJson } from '../../src/django.ts'
import { SECRET } from './recordings.ts'

/** Returns what a token holds, whether Django or Sess made it. `undefined` if it does not verify. */
export function readToken(token: string): { data: Record<string, any>; signedAt: number } | undefined {
  try {
    const { json, signedAt } = loadJson(token, { secret: SECRET, salt: COOKIE_SALT }) as {
      json: string
      signedAt: number
    }
    const text = json.replace(
      /(?<=[:[,])(NaN|-?Infinity)(?=[,\]}])/g,
      word => `{"$float":"${{ NaN: 'nan', Infinity: 'inf', '-Infinity': '-inf' }[word]}"}`,
    )
    const data: unknown = JSON.parse(text)
    if (typeof data !== 'object' || data === null || Array.isArray(data)) return undefined
    return { data: data as Record<string, any>, signedAt }
  } catch (error) {
    if ((error as { code?: string }).code === undefined && !(error instanceof SyntaxError)) throw error
    return undefined
  }
}
