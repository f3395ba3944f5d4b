import { BaseSequencer, type TestSpecification } from 'vitest/node'

// These mostly wait, for servers to start, die and forget: begun last, they would leave one worker idle at the end.
const SLOW = [
  /store-redis.*conformance/,
  /kill\.test/,
  /broken-stores/,
  /(faults|servers|sqlite|shop)/,
  /conformance/,
]

/** Runs the files that are known to be slow before all others. */
export class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    return sorted.toSorted((a, b) => rank(a) - rank(b))
  }
}

function rank({ moduleId }: TestSpecification): number {
  const index = SLOW.findIndex(pattern => pattern.test(moduleId))
  return index === -1 ? SLOW.length : index
}
