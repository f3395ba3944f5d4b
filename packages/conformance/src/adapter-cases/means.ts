import type { Unproved } from '../means.ts'
import { type AdapterFixture, type AdapterOptions, needsStart } from './fixture.ts'

/** What starts the probe app in another way, so that more cases can run: how it does so, and what nobody knows without it. */
const MEANS: Record<keyof AdapterOptions, { starts: string; unproved: string }> = {
  startTwoEngines: { starts: 'with two engines', unproved: 'Two engines on one app are' },
  https: { starts: 'over TLS', unproved: 'Connections over TLS are' },
  proxy: { starts: 'so that it trusts a proxy', unproved: 'A proxy that ends TLS is' },
  before: { starts: 'with middleware of its own', unproved: 'Middleware above and below the session is' },
  under: { starts: 'below a path', unproved: 'Apps that are mounted below a path are' },
  twice: { starts: 'with one engine mounted twice', unproved: 'One engine that is mounted twice is' },
}

const lacks = (name: keyof AdapterOptions): string =>
  `no \`${name}\` was given, which starts the probe app ${MEANS[name].starts}`

/** For `skip`: the reason why a case needs something that this author does not offer. */
export function withoutMeans(name: keyof AdapterOptions): (fixture: AdapterFixture) => string | undefined {
  return f => needsStart(f) ?? (f[name] ? undefined : lacks(name))
}

/** What a case leaves open that was skipped for this reason. */
export function unprovedAdapterWithout(reason: string | undefined): Unproved | undefined {
  const names = Object.keys(MEANS) as (keyof AdapterOptions)[]
  const name = names.find(each => lacks(each) === reason)
  if (!name) return undefined
  const how = `Give describeAdapter \`${name}\` in its last argument: docs/write-an-adapter.md shows how.`
  return { what: MEANS[name].unproved, how }
}
