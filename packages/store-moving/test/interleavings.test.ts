import type { StoreContext } from '@sess/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Mover } from '../src/mover.ts'
import { parseReceipt, placeholderNonce, receiptId } from '../src/receipt.ts'
import { checkProgram, programs, type Variant } from './model.ts'

/** Programs a variant in `npm test`; `pnpm campaign overlaps` runs more. */
const RUNS = Number(process.env['SESS_RUNS'] ?? 250)

async function broken(
  variant: Variant,
  { numRuns = RUNS, ...options }: { numRuns?: number; seed?: number } = {},
): Promise<string | undefined> {
  const { errorInstance, failed, seed, counterexample } = await fc.check(
    fc.asyncProperty(programs, fc.scheduler(), (program, scheduler) =>
      checkProgram(program, scheduler, variant),
    ),
    { numRuns, ...options, ...(process.env['SESS_SHRINK'] ? {} : { endOnFailure: true }) },
  )
  return failed
    ? `seed ${seed}: ${errorInstance}${process.env['SESS_SHRINK'] ? `\n${fc.stringify(counterexample)}` : ''}`
    : undefined
}

describe('processes of both sites and of the move, in random order, some of them killed', () => {
  it('movingStore: no session is lost, none is found after a logout on either side, no save of the new site is lost', async () => {
    expect(await broken({ newSite: 'moving' })).toBeUndefined()
  })

  it('the command alone: no session is lost, and none is left after a logout on either side', async () => {
    expect(await broken({ newSite: 'plain' })).toBeUndefined()
  })

  describe('find what is broken:', () => {
    it.each<[string, Variant['newSite'], typeof Mover]>([
      [
        'a copy that is written before its receipt',
        'plain',
        class extends Mover {
          override async look(id: string, context: StoreContext) {
            const seen = await super.look(id, context)
            if (seen.placeholder === undefined || !seen.from) return seen
            await this.to.replace(id, seen.from, seen.to!.version)
            return super.look(id, context)
          }
        },
      ],
      [
        'a receipt that is read after the records',
        'plain',
        class extends Mover {
          override async look(id: string, context: StoreContext) {
            const [from, to] = [await this.from.read(id, context), await this.to.read(id, context)]
            const kept = await this.to.read(receiptId(id), context)
            return {
              receipt: kept ? parseReceipt(kept.payload) : undefined,
              receiptVersion: kept?.version,
              from,
              to,
              placeholder: to ? placeholderNonce(id, to.payload) : undefined,
            }
          }
        },
      ],
    ])('%s', async (_, newSite, Carrier) => {
      // A seed that finds both soon.
      expect(await broken({ newSite, Carrier }, { numRuns: 20_000, seed: 3 })).toMatch(
        /logout was undone|lost/,
      )
    })
  })
})
