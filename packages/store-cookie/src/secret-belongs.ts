/** What to say about `secret` as an option of a store. */
export const SECRET_BELONGS = { secret: 'is an option of session() and createSessions().' }
