/** Seconds, as `createSessions()` and Django have it. */
export const DEFAULT_AGE = 1_209_600

/** What to do where it is not known when a session was last seen. */
export const AGE_HINT = `--age, the app's \`age\` in seconds: ${DEFAULT_AGE} if it sets none`
