import type { Case } from './case.ts'

/** Of a family of cases, a quick run takes one in so many. */
const ONE_IN = 5

/**
 * The cases of a quick run: every case that belongs to no family, and a fifth of each family, at least one. `seed` chooses
 * them: consecutive seeds choose consecutive members, so that as many seeds as a family has members meet all of them.
 */
export function quickCases<Fixture>(cases: readonly Case<Fixture>[], seed: number): readonly Case<Fixture>[] {
  const families = Map.groupBy(
    cases.filter(({ family }) => family !== undefined),
    ({ family }) => family,
  )
  const chosen = new Set<Case<Fixture>>()
  for (const members of families.values()) {
    const count = Math.ceil(members.length / ONE_IN)
    for (let n = 0; n < count; n++) {
      const member = members[(seed * count + n) % members.length]
      if (member) chosen.add(member)
    }
  }
  return cases.filter(rule => rule.family === undefined || chosen.has(rule))
}

/** The seed of a quick run without one: it changes every day, and with the name of what is tested. */
export function seedOfToday(name = ''): number {
  let seed = Math.floor(Date.now() / 86_400_000)
  for (const character of name) seed += character.codePointAt(0) ?? 0
  return seed
}
