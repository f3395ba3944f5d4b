import type { StoreFixture } from './store-fixture.ts'

interface Means {
  /** How the factory offers it. */
  offer: string
  isOffered(f: StoreFixture): boolean
  /** What nobody knows without it. */
  unproved: string
}

/** What a factory can offer beside the store, so that more cases can run. */
const MEANS = {
  second: {
    offer: '`second` store object on the same backend',
    isOffered: f => f.hasSecond,
    unproved: 'Other processes are',
  },
  module: {
    offer: '`module` from which a second process makes the store',
    isOffered: f => f.module !== undefined,
    unproved: 'Locks and counters of one process are',
  },
  outage: {
    offer: 'breakBackend() and healBackend()',
    isOffered: f => Boolean(f.breakBackend && f.healBackend),
    unproved: 'Outages are',
  },
  freeze: {
    offer: 'freezeBackend() and thawBackend()',
    isOffered: f => Boolean(f.freezeBackend && f.thawBackend),
    unproved: 'Calls to a backend that hangs are',
  },
  errors: {
    offer: 'fail() and healBackend()',
    isOffered: f => Boolean(f.fail && f.healBackend),
    unproved: 'Errors of the backend’s own are',
  },
  lostReply: {
    offer: 'loseAnswer()',
    isOffered: f => f.loseAnswer !== undefined,
    unproved: 'Replies that get lost are',
  },
  indexExpiry: {
    offer: '`expiryOfSubject(subject)`',
    isOffered: f => f.expiryOfSubject !== undefined,
    unproved: 'The life of the index is',
  },
  restart: {
    offer: 'restartBackend()',
    isOffered: f => f.restartBackend !== undefined,
    unproved: 'Backends that start again are',
  },
} satisfies Record<string, Means>

const lacks = ({ offer }: Means): string => `the factory offers no ${offer}`

/** For `skip`: the reason why a case needs something that this factory does not offer. */
export function withoutMeans(name: keyof typeof MEANS): (fixture: StoreFixture) => string | undefined {
  const means: Means = MEANS[name]
  return f => (means.isOffered(f) ? undefined : lacks(means))
}

/** What nobody knows because cases were skipped, and how to have it proved. */
export interface Unproved {
  what: string
  how: string
}

/** What a case leaves open that was skipped for this reason. */
export function unprovedWithout(reason: string | undefined): Unproved | undefined {
  const means = Object.values(MEANS).find(each => lacks(each) === reason)
  if (!means) return undefined
  const offer = means.offer.includes(' and ') ? 'both' : 'it'
  return { what: means.unproved, how: `Let the factory offer ${offer}: docs/write-a-store.md shows how.` }
}
