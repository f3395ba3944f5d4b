import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const src = fileURLToPath(new URL('../src/', import.meta.url))
const files = readdirSync(src)

/** Lines that assign a field of an object of that name. */
function assignments(file: string, object: string): string[] {
  const assigns = new RegExp(`\\b${object}\\.[\\w.]+ (?:[-+?|&]{0,2})=(?![=>])`)
  return readFileSync(`${src}${file}`, 'utf8')
    .split('\n')
    .filter(line => assigns.test(line) && !/^\s*(?:\*|\/\/)/.test(line))
}

describe('the fields of a request and of an engine are assigned by their owner alone', () => {
  it.each(files.filter(file => file !== 'session-state.ts'))('%s assigns none of SessionState', file => {
    expect(assignments(file, '(?:state|\\[STATE\\])')).toEqual([])
  })

  it.each(files.filter(file => file !== 'engine-state.ts'))('%s assigns none of EngineState', file => {
    expect(assignments(file, 'engine')).toEqual([])
  })

  it.each(files.filter(file => file !== 'lookup.ts'))('%s assigns none of Lookup', file => {
    expect(assignments(file, 'lookup')).toEqual([])
  })

  it('the owners do assign them', () => {
    expect(assignments('session-state.ts', 'this').length).toBeGreaterThan(20)
    expect(assignments('lookup.ts', 'this').length).toBeGreaterThan(5)
    expect(assignments('engine-state.ts', 'this').length).toBeGreaterThan(2)
  })
})

it('no file of the heart is longer than 250 lines', () => {
  const heart = [
    'access',
    'adopt',
    'backend',
    'changes',
    'claim',
    'commit',
    'cookie-backend',
    'end',
    'facts',
    'key-change',
    'lifetime',
    'load',
    'lookup',
    'merge',
    'plan',
  ]
  const rest = [
    'record',
    'record-ref',
    'remove',
    'response',
    'retry',
    'rotate',
    'save',
    'server-backend',
    'server-save',
    'session-state',
    'store-call',
    'task',
  ]
  const lengths = [...heart, ...rest].map(name => [
    name,
    readFileSync(`${src}${name}.ts`, 'utf8').trimEnd().split('\n').length,
  ])
  expect(lengths.filter(([, lines]) => Number(lines) > 250)).toEqual([])
})
