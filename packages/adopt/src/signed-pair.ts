import type { AdoptContext } from '@sess/core'
import type { Check } from '@sess/core/store'
import Keygrip from 'keygrip'

/** Keys of the package `cookies`: a list, the first one signs, or a Keygrip. */
export type Keys = readonly string[] | Pick<Keygrip, 'sign' | 'verify'>

export const keysCheck: Check = [
  value =>
    typeof value?.verify === 'function' ||
    (Array.isArray(value) && value.length > 0 && value.every(key => typeof key === 'string' && key !== '')),
  'a list of keys, or a Keygrip',
]

export function keygripOf(keys: Keys): Pick<Keygrip, 'sign' | 'verify'> {
  return 'verify' in keys ? keys : new Keygrip(keys)
}

/** A cookie that the package `cookies` has signed, in a second cookie `name.sig`. */
export interface SignedPair {
  value: string
  /** The value with its signature by the first key: only the browser and the old app can know it. */
  id: string
}

/** The one genuine cookie of that name. `undefined` if there is none, or if there are two. */
export function signedPair(
  name: string,
  keygrip: Pick<Keygrip, 'sign' | 'verify'>,
  { cookies }: AdoptContext,
): SignedPair | undefined {
  const signatures = cookies(`${name}.sig`)
  const genuine = cookies(name).filter(value =>
    signatures.some(signature => keygrip.verify(`${name}=${value}`, signature)),
  )
  const [value, other] = genuine
  if (value === undefined || other !== undefined) return
  const text = `${name}=${value}`
  return { value, id: `${text};${keygrip.sign(text)}` }
}
