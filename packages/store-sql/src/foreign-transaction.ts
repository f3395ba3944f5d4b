import { SessionStoreError } from '@sess/core'

/**
 * The connection has a transaction open that the store did not begin. Its owner could roll back a save that has already
 * been reported as done.
 */
export class ForeignTransactionError extends SessionStoreError {
  constructor() {
    super(
      'The database connection has a transaction open that another part of the application began. ' +
        'Give the session store a connection of its own.',
    )
  }
}
