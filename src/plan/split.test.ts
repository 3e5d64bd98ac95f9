import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { splitEvenly } from './split.ts'

const weights = fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 60 })

function cut(values: readonly number[], lengths: readonly number[]): number[][] {
  let at = 0
  return lengths.map((length) => values.slice(at, (at += length)))
}
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)

/** The lightest heaviest run of all ways to cut `values` into at most `runs` runs: by trying all of them. */
function bestHeaviest(values: readonly number[], runs: number): number {
  if (runs === 1 || values.length <= 1) return sum(values)
  let best = sum(values)
  for (let first = 1; first < values.length; first++) {
    best = Math.min(best, Math.max(sum(values.slice(0, first)), bestHeaviest(values.slice(first), runs - 1)))
  }
  return best
}

describe('splitEvenly()', () => {
  test('keeps every weight once, in order, and exceeds the maximum only for a single larger one', () => {
    fc.assert(
      fc.property(
        weights,
        fc.integer({ min: 1, max: 900 }),
        fc.integer({ min: 0, max: 900 }),
        (values, target, more) => {
          const max = target + more
          const runs = cut(values, splitEvenly(values, target, max))
          expect(runs.flat()).toEqual(values)
          for (const run of runs) {
            expect(run.length).toBeGreaterThan(0)
            expect(run.length === 1 || sum(run) <= max).toBe(true)
          }
        },
      ),
    )
  })

  test('cuts as evenly as any cut into so many runs', () => {
    const small = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 9 })
    fc.assert(
      fc.property(small, fc.integer({ min: 50, max: 200 }), (values, target) => {
        const runs = cut(values, splitEvenly(values, target, 1000))
        expect(Math.max(...runs.map(sum))).toBe(bestHeaviest(values, runs.length))
        expect(runs.length).toBeLessThanOrEqual(Math.max(1, Math.round(sum(values) / target)))
      }),
    )
  })

  test('makes one run of what is near the target, two of what is near twice that', () => {
    expect(splitEvenly([60, 60], 100, 500)).toEqual([2])
    expect(splitEvenly([90, 90], 100, 500)).toEqual([1, 1])
    expect(splitEvenly([10, 10, 10, 10, 10, 10], 30, 500)).toEqual([3, 3])
  })

  test('gives a weight above the maximum a run of its own, between its neighbours', () => {
    expect(splitEvenly([10, 700, 10], 100, 500)).toEqual([1, 1, 1])
  })
})
