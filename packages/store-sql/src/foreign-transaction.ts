import { SessionStoreError } from '@sess/core'

/**
 * The connection has a transaction open that the store did not begin. Its owner could roll back what the store writes,
 * after the request was told that it is saved.
 */
export class ForeignTransactionError extends SessionStoreError {
  constructor() {
    super(
      'The database connection has a transaction open that another part of the application began. ' +
        'Give the session store a connection of its own.',
    )
  }
}
