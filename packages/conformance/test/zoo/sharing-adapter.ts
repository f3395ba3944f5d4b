import type { IncomingMessage } from 'node:http'
import { ReferenceAdapter } from '../reference-probe.ts'

/** An adapter that keeps the request it is at where all of its requests find it. */
export class SharingAdapter extends ReferenceAdapter {
  protected current: IncomingMessage | undefined
  override open(req: IncomingMessage) {
    this.current = req
    return super.open(req)
  }
}
