/** One thing that the doctor looked at. `bad` breaks sessions, `warn` may cost some. */
export interface Finding {
  level: 'ok' | 'warn' | 'bad'
  /** What is there. */
  what: string
  /** What to change, unless it is fine. */
  remedy?: string
}

export const ok = (what: string): Finding => ({ level: 'ok', what })
export const warn = (what: string, remedy: string): Finding => ({ level: 'warn', what, remedy })
export const bad = (what: string, remedy: string): Finding => ({ level: 'bad', what, remedy })
