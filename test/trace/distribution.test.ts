import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bucketsOf, distributionOf, percentile } from '../../src/trace/distribution.ts'

const counted = (values: readonly number[]): ReadonlyMap<number, number> =>
  new Map([...new Set(values)].map(value => [value, values.filter(other => other === value).length]))

const someValues = fc.array(fc.nat({ max: 5000 }), { minLength: 1, maxLength: 60 })

describe('a distribution', () => {
  test('has the percentiles of the sorted samples', () => {
    fc.assert(
      fc.property(someValues, fc.integer({ min: 1, max: 100 }), (values, percent) => {
        const sorted = [...values].sort((a, b) => a - b)
        expect(percentile(distributionOf(counted(values)), percent)).toBe(sorted[Math.ceil((percent * sorted.length) / 100) - 1])
      }),
      { seed: 3 },
    )
    expect(percentile(distributionOf(new Map()), 50)).toBe(0)
  })

  test('falls into buckets without a hole, and every sample into its own', () => {
    fc.assert(
      fc.property(someValues, values => {
        const buckets = bucketsOf(distributionOf(counted(values)))
        for (const [i, { from, to, count }] of buckets.entries()) {
          expect(count).toBe(values.filter(value => value >= from && value < to).length)
          expect(buckets[i + 1]?.from ?? to).toBe(to)
        }
        expect(buckets.reduce((sum, { count }) => sum + count, 0)).toBe(values.length)
      }),
      { seed: 4 },
    )
    expect(bucketsOf(distributionOf(new Map()))).toEqual([])
  })
})
