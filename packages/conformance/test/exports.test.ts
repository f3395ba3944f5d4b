import { expect, test } from 'vitest'
import * as conformance from '../src/index.ts'

const all = [...conformance.storeCases, ...conformance.cookieStoreCases, ...conformance.adapterCases]

test('every case has an id of its own, which is public, and all that a report tells', () => {
  const ids = all.map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
  for (const { id, title, rule, source, why } of all) {
    expect(id).toMatch(/^(?:store|engine|cookie-store|adapter)\/[a-z0-9-]+$/)
    for (const text of [title, rule, why]) expect(text.length).toBeGreaterThan(10)
    expect(source).toMatch(/\w/)
    expect(why).toMatch(/\.$/)
  }
})

test('the names of cases are those of the last release, and maybe more', () => {
  // An id that is renamed or removed breaks every filter that names it: that is a major version, and a changeset.
  expect(all.map(({ id }) => id).sort()).toMatchSnapshot()
})
